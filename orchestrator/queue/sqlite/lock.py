"""Whose turn it is to write: fair between processes, where SQLite's own waiting is not.

SQLite lets those who wait sleep and ask again, so that whoever has just written and asks at once wins:
others starve for seconds, and no checkpoint ever catches up with the log. Here two files are locked in
a row, like a turnstile before a door: who is inside lets nobody past but the one in the turnstile.
"""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline
from orchestrator.core.files import unwritable
from orchestrator.queue.sqlite.faults import held_too_long

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.core.clock import Clock

#: Seconds between two looks of the one who is next, and of all behind; measured: quicker ones take the
#: processor from who is inside.
NEXT_S = 0.00005
BEHIND_S = 0.001
#: Whoever waits long looks more and more seldom, down to this.
SELDOM_S = 0.02
_SLOWER = 1.02
_TAKE = fcntl.LOCK_EX | fcntl.LOCK_NB


class WriteLock:
    """Held around each write; the kernel frees it when its holder is killed.

    It does not keep data safe, SQLite does. Whoever waits longer than `patience` seconds gives up.
    """

    def __init__(self, path: Path, clock: Clock, patience: float) -> None:
        self._path = path
        self._clock = clock
        self._patience = patience
        self._files: tuple[int, int] | None = None
        self._mutex = threading.Lock()

    def acquire(self) -> None:
        """Wait for our turn.

        Raises:
            Busy: it does not come.
        """
        if not self._mutex.acquire(timeout=self._patience):
            raise held_too_long(self._path)
        through = False
        try:
            turnstile, door = self._files or self._open()
            if not _taken(turnstile):
                self._wait(turnstile, BEHIND_S)
            if not _taken(door):
                self._wait(door, NEXT_S)
            fcntl.flock(turnstile, fcntl.LOCK_UN)
            through = True
        finally:
            if not through:
                self.close()
                self._mutex.release()

    def release(self) -> None:
        """Let the next one in."""
        if self._files:
            fcntl.flock(self._files[1], fcntl.LOCK_UN)
        self._mutex.release()

    def close(self) -> None:
        """Let go of the files, and with them of what is locked."""
        files, self._files = self._files, None
        for file in files or ():
            os.close(file)

    def __del__(self) -> None:
        self.close()

    def _wait(self, file: int, pause: float) -> None:
        deadline = Deadline.after(self._patience, self._clock)
        while not _taken(file):
            if deadline.passed:
                raise held_too_long(self._path)
            self._clock.sleep(pause)
            pause = min(pause * _SLOWER, SELDOM_S)

    def _open(self) -> tuple[int, int]:
        turnstile, door = (f"{self._path}-{name}" for name in ("turn", "lock"))
        self._files = _file(turnstile, self._path), _file(door, self._path)
        return self._files


def _file(name: str, path: Path) -> int:
    try:
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unwritable(path, error) from error


def _taken(file: int) -> bool:
    try:
        fcntl.flock(file, _TAKE)
    except BlockingIOError:
        return False
    return True
