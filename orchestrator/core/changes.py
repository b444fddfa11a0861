"""When a file changes, by whatever process: the kernel tells (Linux, inotify); elsewhere nobody does."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

#: inotify(7): the content was written; the file itself was moved, or deleted; the watch is over.
_WRITTEN, _MOVED, _DELETED, _OVER = 0x2, 0x800, 0x400, 0x8000
#: One event: watch, mask, cookie, length of the name that follows (none: the watch is of a file).
_EVENT = struct.Struct("iIII")
#: Events that are read at once.
_EVENTS = 256


class Changes:
    """Watches one file; whoever has one closes it.

    It has to be made anew when the file it watches is gone (`over`), and in the child of a fork.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._poll = select.poll()
        self._poll.register(handle, select.POLLIN)
        self.over = False

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Watch `path`; None where nobody tells, when the file is not there, or no watch is left."""
        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "inotify_init1"):
            return None
        handle = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if handle < 0:
            return None
        if libc.inotify_add_watch(handle, os.fsencode(path), _WRITTEN | _MOVED | _DELETED) < 0:
            os.close(handle)
            return None
        return cls(handle)

    def wait(self, seconds: float) -> bool:
        """Tell whether the file was written since the last call, or is within `seconds`."""
        if not self._poll.poll(max(0.0, seconds) * 1000):
            return False
        with contextlib.suppress(BlockingIOError):
            told = os.read(self._handle, _EVENTS * _EVENT.size)
            masks = [mask for _, mask, _, _ in _EVENT.iter_unpack(told)]
            self.over = any(mask & (_MOVED | _DELETED | _OVER) for mask in masks)
        return True

    def close(self) -> None:
        """Watch no more."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    __del__ = close
