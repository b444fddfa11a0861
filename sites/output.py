"""What was scraped, in `data/sites/<site>/results.sqlite`: written idempotently, read in one order."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core.errors import DiskFull, OrchError
from orchestrator.core.files import private_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from sites.outcome import Entry, Outcome

#: A writer waits so long for another one, in seconds.
BUSY_S = 5.0

MIGRATIONS = ("001_results",)

# A page that is written again replaces itself.
_PUT_PAGE = """INSERT OR REPLACE INTO pages
  (job, url, state, status, kind, reason, attempts, depth, missing, proxy, fetched_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# The items of a page before they are written (again).
_DROP_ITEMS = "DELETE FROM items WHERE job = ? AND url = ?"
_PUT_ITEM = "INSERT INTO items (job, url, position, data) VALUES (?, ?, ?, ?)"
# Every item of a job, in an order that does not depend on when what was fetched.
_ITEMS = "SELECT url, data FROM items WHERE job = ? ORDER BY url, position"
# The pages that gave nothing, or less than they should.
_FAILURES = """SELECT url, state, kind, reason, attempts, missing, proxy FROM pages
  WHERE job = ? AND (state = 'error' OR missing <> '{}') ORDER BY url"""
# Ids of jobs grow with time.
_NEWEST = "SELECT max(job) FROM pages"


class Results:
    """The file of one site; an open connection of one thread."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        """Open it; with `write`, make and migrate it.

        Raises:
            OrchError: it is not there (a reader makes no file), or not ours, or newer than we are.
        """
        self.path = path
        with self._translated():
            if write:
                private_folder(path.parent)
                self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
                self._prepare()
            elif not path.is_file():
                raise OrchError(f"nothing was scraped yet: {path} is not there")
            else:
                self._db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def put(self, entries: Iterable[Entry]) -> None:
        """Write pages with their items, all or nothing, safe on disk on return.

        Raises:
            DiskFull: nothing of it was written.
            OrchError: another failure of the file.
        """
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for entry in entries:
                    self._put(entry.job, entry.outcome)
                self._db.execute("COMMIT")
            except BaseException:
                self._rollback()
                raise

    def items(self, job: str) -> Iterator[dict[str, Any]]:
        """Every item of a job; `_url` is the page it is from. The same order whenever it was fetched."""
        with self._translated():
            for url, data in self._db.execute(_ITEMS, (job,)):
                yield {**json.loads(data), "_url": url}

    def failures(self, job: str) -> list[dict[str, Any]]:
        """Pages that failed, and pages with items that lacked a required field."""
        names = ("url", "state", "kind", "reason", "attempts", "missing", "proxy")
        with self._translated():
            rows = self._db.execute(_FAILURES, (job,)).fetchall()
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [{**row, "missing": json.loads(row["missing"])} for row in found]

    def newest_job(self) -> str | None:
        """The id of the newest job of which something is here."""
        with self._translated():
            found = self._db.execute(_NEWEST).fetchone()[0]
        return str(found) if found else None

    def _put(self, job: str, page: Outcome) -> None:
        row = (
            *(job, page.url, page.state, page.status, page.kind, page.reason, page.attempts),
            *(page.depth, json.dumps(page.missing), page.proxy, page.fetched_at),
        )
        self._db.execute(_PUT_PAGE, row)
        self._db.execute(_DROP_ITEMS, (job, page.url))
        rows = [
            (job, page.url, position, json.dumps(item, ensure_ascii=False))
            for position, item in enumerate(page.items)
        ]
        self._db.executemany(_PUT_ITEM, rows)

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        # What is taken off Redis afterwards must survive a power cut.
        self._db.execute("PRAGMA synchronous = FULL")
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise OrchError(f"{self.path} was written by a newer orch", hint="update this one")
        for number, name in enumerate(MIGRATIONS[version:], version + 1):
            text = resources.files("sites").joinpath(f"sql/{name}.sql").read_text("utf-8")
            self._db.executescript(
                f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;"
            )

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                raise DiskFull(
                    f"the disk that holds {self.path} is full", hint="free some space"
                ) from error
            raise OrchError(f"{self.path}: {error}") from error
