"""Signals that ask for a stop, as a queue that whoever follows some work looks into."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator

#: An exit code says by this much more which signal it was.
BY_SIGNAL = 128
#: What asks for a stop: Ctrl+C, `kill`, a terminal that closes.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: A second signal so soon, in seconds, is the first: `timeout` sends each to the process and its group.
ECHO_S = 0.3

#: Signals with the time when each came; None: what is followed has ended.
Inbox: TypeAlias = SimpleQueue[tuple[int, float] | None]


@contextmanager
def caught() -> Iterator[Inbox]:
    """Put what asks for a stop into a queue; whoever started us may have it ignored.

    That SIGCHLD is ignored may be inherited too, and is not for us: it hides how commands end.
    """
    inbox: Inbox = SimpleQueue()

    def put(number: int, _frame: object) -> None:
        inbox.put((number, SYSTEM.monotonic()))

    ours = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, put) for number in ours}
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield inbox
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
