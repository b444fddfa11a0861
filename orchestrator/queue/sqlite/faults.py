"""What SQLite has to say, in our words."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from orchestrator.core.errors import Busy, DiskFull, IncompatibleData, OrchError

if TYPE_CHECKING:
    from pathlib import Path

#: Writing was refused by a quota or a bound on the size of files, which SQLite takes for a bad disk.
_NO_ROOM = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
}
_PRIMARY = 0xFF


def fault(path: Path, error: sqlite3.Error) -> OrchError:
    """Translate an error of SQLite met in the queue `path`."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code in _NO_ROOM:
        return DiskFull(
            f"cannot write {path}: the disk is full, or a quota or a bound on the size of files is reached",
            hint="free some space, then try again; what was written before is safe",
        )
    match code & _PRIMARY:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return held_too_long(path)
        case sqlite3.SQLITE_NOTADB:
            return no_queue(path)
        case sqlite3.SQLITE_CORRUPT:
            return IncompatibleData(
                f"{path} is damaged: {error}",
                hint="move it and its -wal away; a new one is made then",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return unwritable(path)
    return OrchError(f"cannot use the queue in {path}: {error}")


def held_too_long(path: Path) -> Busy:
    """Somebody else writes and does not come to an end."""
    return Busy(
        f"{path} is locked by another process, which does not let go",
        hint=f"`fuser -v {path}` shows who has it open; end what hangs or is stopped, then try again",
    )


def no_queue(path: Path) -> IncompatibleData:
    """A file that something else wrote."""
    return IncompatibleData(
        f"{path} is no queue: another program wrote it",
        hint="name another file; this one is left alone",
    )


def unwritable(path: Path) -> OrchError:
    """A file or a folder that we may not write."""
    return OrchError(
        f"cannot open {path} for writing: it, its folder, or -wal or -shm beside it is read-only",
        hint="a queue needs to write both the file and its folder",
    )
