"""Items as a table of a SQLite file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO

from orchestrator.core.errors import DiskFull, OrchError
from sites.results.columns import Kind, as_text, columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_TYPES = {Kind.BOOL: "INTEGER", Kind.INT: "INTEGER", Kind.FLOAT: "REAL"}


def write_sqlite(
    items: Callable[[], Iterable[Mapping[str, Any]]], file: BinaryIO, table: str
) -> int:
    """Make `file`, which is empty and has a name, a database with one table; return how many rows.

    Asks for `items` twice. Lists and tables are JSON.

    Raises:
        DiskFull, OrchError: it cannot be written.
    """
    kinds = columns(items()) or {"_url": Kind.TEXT}
    named = ", ".join(
        f"{name} {_TYPES.get(kind, 'TEXT')}"
        for name, kind in zip(_names(kinds), kinds.values(), strict=True)
    )
    places = ", ".join("?" * len(kinds))
    rows = ([_value(item.get(name), kind) for name, kind in kinds.items()] for item in items())
    try:
        with closing(sqlite3.connect(file.name, isolation_level=None)) as db:
            for switch in ("journal_mode", "synchronous"):
                db.execute(f"PRAGMA {switch} = OFF")  # the file is whole, or is thrown away
            db.execute("BEGIN")
            db.execute(f"CREATE TABLE {_quoted(table)} ({named})")
            insert = f"INSERT INTO {_quoted(table)} VALUES ({places})"  # noqa: S608  (quoted)
            count = db.executemany(insert, rows).rowcount
            db.execute("COMMIT")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise DiskFull("the disk is full", hint="free some space, then try again") from error
        raise OrchError(f"{table} cannot be written as SQLite: {error}") from error
    return max(0, count)


def _names(kinds: Iterable[str]) -> list[str]:
    """The columns, quoted; to SQLite `Price` is `price`, so the second one is `price_2`."""
    found: dict[str, str] = {}
    for name in kinds:
        own, number = name, 2
        while own.lower() in found:
            own, number = f"{name}_{number}", number + 1
        found[own.lower()] = _quoted(own)
    return list(found.values())


def _quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _value(value: Any, kind: Kind) -> Any:
    return value if kind in _TYPES else as_text(value)
