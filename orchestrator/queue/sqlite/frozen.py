"""Looking at a queue that we may not write: SQLite makes files beside one even to read it.

Where somebody has it open, or was killed, these files are there, and all of the queue can be read with
them. Where they are not, nobody writes: then the file alone is all of it, as long as it stays like that.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from orchestrator.core.errors import Busy, OrchError
from orchestrator.queue.sqlite import connection
from orchestrator.queue.sqlite.filesystem import refuse_shared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.core.clock import Clock


def is_frozen(path: Path) -> bool:
    """Whether there is a queue that we may not write, or beside which we may make no file."""
    return path.exists() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


@contextmanager
def look(path: Path, clock: Clock) -> Iterator[tuple[sqlite3.Connection, int]]:
    """Read what is there, and the time; no file is made.

    Raises:
        Busy: somebody began to write meanwhile: what was read may be torn.
        IncompatibleData: it is no queue, or one of another version.
        OrchError: it cannot be read.
    """
    refuse_shared(path)
    alone, before = _state(path)
    try:
        with closing(_opened(path, alone=alone)) as db:
            connection.require_newest(db, path)
            yield db, connection.clock_of(db, clock).now()
    finally:
        if alone and _state(path) != (alone, before):
            raise Busy(f"{path} was changed while it was read", hint="try again")


def _state(path: Path) -> tuple[bool, tuple[int, ...]]:
    """Whether the file is all of the queue; and what tells that it is the same as before."""
    found = path.stat()
    log = path.with_name(f"{path.name}-wal")
    alone = not (log.exists() and log.stat().st_size)
    return alone, (found.st_ino, found.st_size, found.st_mtime_ns)


def _opened(path: Path, *, alone: bool) -> sqlite3.Connection:
    parts = [path, *(path.with_name(f"{path.name}-{part}") for part in ("wal", "shm") if not alone)]
    for part in parts:
        if not part.exists():
            raise OrchError(
                f"cannot read {path}: without {part.name} nobody can who may not write beside it",
                hint=f"copy it, with its -wal, into a folder of yours: --queue FOLDER/{path.name}",
            )
        if not os.access(part, os.R_OK):
            raise OrchError(f"cannot read {part}: Permission denied")
    how = "immutable=1" if alone else "mode=ro"
    db = sqlite3.connect(f"file:{quote(str(path))}?{how}", uri=True, isolation_level=None)
    db.execute("PRAGMA temp_store = MEMORY")
    return db
