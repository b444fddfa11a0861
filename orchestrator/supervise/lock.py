"""One supervisor a home: a lock that is held for life and freed by the kernel."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from orchestrator.core.errors import Busy
from orchestrator.core.files import unwritable

if TYPE_CHECKING:
    from pathlib import Path


class SupervisorLock:
    """`flock` on a file, close-on-exec, so that no child keeps it alive.

    Raises:
        Busy: (on entering) somebody else holds it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def __enter__(self) -> Self:
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable(self._path, error) from error
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._handle)
            raise Busy("another supervisor of this home runs already") from error
        return self

    @property
    def lost(self) -> bool:
        """Whether the file that is locked is no longer the one at the path: the home is gone."""
        try:
            there = os.stat(self._path)  # noqa: PTH116  (asked at every turn of the loop)
        except OSError:
            return True
        return there.st_ino != os.fstat(self._handle).st_ino

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)
