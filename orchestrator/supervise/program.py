"""The supervisor as a program: how it is started, and how a process becomes it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Safe path: nothing is imported from the folder that the user happens to be in.
PROGRAM = (sys.executable, "-P", "-m", "orchestrator.supervise")

#: What ends it.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def become(order: dict[str, Any], received: Iterable[int] = ()) -> None:
    """Turn this process into the supervisor of `order`: nothing that was loaded stays in memory.

    Signals that come meanwhile, and those `received` too late, are delivered when it can obey them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    for number in received:
        os.kill(os.getpid(), number)
    with tempfile.TemporaryFile() as file:
        file.write(json.dumps(order).encode())
        file.seek(0)
        os.dup2(file.fileno(), sys.stdin.fileno())
    with contextlib.suppress(OSError):  # whoever read it may have gone
        sys.stdout.flush()
        sys.stderr.flush()
    os.execv(PROGRAM[0], PROGRAM)  # noqa: S606  (no shell is wanted)
