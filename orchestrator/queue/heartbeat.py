"""Keeps leases alive while jobs run: one call for all that is held, beside whatever else goes on."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self

from orchestrator.core.errors import OrchError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.queue.work import WorkQueue

log = logging.getLogger(__name__)

#: After a call that failed, the next one comes so soon, in seconds.
AGAIN_S = 1.0
#: A call that is under way is waited for so long at the end, in seconds.
LEAVE_S = 0.2


class Heartbeat:
    """A thread, for as long as the `with` block lasts.

    `tokens` says what is held; after each call `answered` is told when it began, and which of them the
    queue does not know as ours any more. While the store is away it tries on: whether a lease has run
    out is for the store to say.
    """

    def __init__(
        self,
        queue: WorkQueue,
        every: float,
        tokens: Callable[[], Iterable[str]],
        answered: Callable[[float, list[str]], object],
    ) -> None:
        self._queue = queue
        self._every = every
        self._tokens = tokens
        self._answered = answered
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="queue-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(LEAVE_S)

    def beat(self) -> bool:
        """Extend once; tell whether the store answered."""
        tokens = list(self._tokens())
        if not tokens:
            return True
        began = self._queue.clock.monotonic()
        try:
            lost = self._queue.heartbeat(tokens)
        except OrchError as error:
            log.warning("heartbeat: %s", error)
            return False
        except Exception:  # a loop's outer edge: without it every lease would run out
            log.exception("heartbeat")
            return False
        self._answered(began, lost)
        return True

    def _run(self) -> None:
        pause = self._every
        while not self._ended.wait(pause):
            pause = self._every if self.beat() else min(AGAIN_S, self._every)
