"""A connection to the file of a queue: checked, brought to the newest version, and set up."""

from __future__ import annotations

import os
import sqlite3
import threading
from typing import TYPE_CHECKING

from orchestrator.core import files
from orchestrator.core.errors import IncompatibleData, Unavailable
from orchestrator.queue.sqlite.clock import QueueClock, boot_id, first_base
from orchestrator.queue.sqlite.faults import no_queue, unwritable
from orchestrator.queue.sqlite.queries import load, migrations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.core.clock import Clock
    from orchestrator.queue.sqlite.lock import WriteLock

#: `PRAGMA application_id` of a queue: "orcq".
APPLICATION = 0x6F726371
#: Returns what it wrote, which the verbs rely on.
OLDEST_SQLITE = (3, 35, 0)
#: KiB that a connection may keep of the file; a write at a million jobs touches pages all over it.
CACHE_KIB = 8192
#: Bytes of the log that stay on disk when it has been written back.
LOG_BYTES = 16 * 1024 * 1024

_SQL = load("turn")
#: In one statement: all three are written at once, perhaps between two looks.
_MADE_BY = """SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)
    FROM pragma_application_id, pragma_user_version"""
#: Whoever closes a file loses all locks that this process has on it: with another connection open, the
#: next process would take the write-ahead log away from under it. So it is opened only to be made.
_MAKING = threading.Lock()


def empty() -> sqlite3.Connection:
    """An empty queue that stands for a file that is not there."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    for script in migrations():
        db.executescript(script)
    return db


def make(path: Path) -> None:
    """Make the file, for nobody else to read, and its folder, if they are not there."""
    try:
        with _MAKING:
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise files.unwritable(path, error) from error


def connect(path: Path, synchronous: str, patience: float) -> sqlite3.Connection:
    """Open a connection that any thread may close; nothing is read or written yet.

    Raises:
        Unavailable: this Python has a SQLite that is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise Unavailable(
            f"this Python has SQLite {sqlite3.sqlite_version}; a queue needs {oldest}",
            hint="use another Python, or a queue in Redis (redis://…)",
        )
    db = sqlite3.connect(
        path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    db.execute("PRAGMA temp_store = MEMORY")
    # Nobody expects that what is deleted is overwritten: it would be as much work again.
    db.execute("PRAGMA secure_delete = OFF")
    return db


def bring_up_to_date(db: sqlite3.Connection, path: Path, lock: WriteLock) -> None:
    """Make the tables, or change those of an older version.

    Raises:
        IncompatibleData: it is no queue, or one of a newer version, or of an older one in a file that
            we may not write.
    """
    if _version(db, path) < len(migrations()):
        if not os.access(path, os.W_OK):
            require_newest(db, path)
        lock.acquire()
        try:
            _migrate(db, path)
        finally:
            lock.release()
    db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")


def require_newest(db: sqlite3.Connection, path: Path) -> None:
    """Refuse what we cannot change into a queue of the newest version.

    Raises:
        IncompatibleData: it is none.
    """
    if _version(db, path) < len(migrations()):
        raise IncompatibleData(
            f"{path} is a queue of an older version, and read-only",
            hint="let orch write it once",
        )


def clock_of(db: sqlite3.Connection, clock: Clock) -> QueueClock:
    """Return the queue's clock; what it would be, when it was set in another boot."""
    kept, base, seen = db.execute(_SQL["clock"]).fetchone()
    return QueueClock(clock, base if kept == boot_id(clock) else first_base(clock, seen))


def set_clock(db: sqlite3.Connection, clock: Clock, lock: WriteLock) -> QueueClock:
    """Return the queue's clock; the first process of a boot sets it, and lets all leases run out."""
    boot = boot_id(clock)
    kept, base, seen = db.execute(_SQL["clock"]).fetchone()
    if kept == boot:
        return QueueClock(clock, base)
    lock.acquire()
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            kept, base, seen = db.execute(_SQL["clock"]).fetchone()
            if kept != boot:
                base = first_base(clock, seen)
                db.execute(_SQL["set_clock"], (boot, base))
                db.execute(_SQL["run_out"])
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    finally:
        lock.release()
    return QueueClock(clock, base)


def _version(db: sqlite3.Connection, path: Path) -> int:
    application, version, tables = map(int, db.execute(_MADE_BY).fetchone())
    if application == version == tables == 0:
        return 0
    if application != APPLICATION:
        raise no_queue(path)
    if version > len(migrations()):
        raise IncompatibleData(
            f"{path} is a queue of version {version}; this orch knows versions up to {len(migrations())}",
            hint="update orch, or name another file",
        )
    return version


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise unwritable(path)
    db.execute("BEGIN IMMEDIATE")
    try:
        # Somebody else may have been quicker.
        for script in migrations()[_version(db, path) :]:
            for statement in _statements(script):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {len(migrations())}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
