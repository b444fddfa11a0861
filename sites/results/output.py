"""What was scraped, in `data/sites/<site>/results.sqlite`: written idempotently, read in one order."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core.errors import DiskFull, OrchError
from orchestrator.core.files import private_folder
from sites.results import proofs
from sites.results.content import content_hash, item_key
from sites.results.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from sites.results.outcome import Entry, Standing

#: A writer waits so long for another one, in seconds.
BUSY_S = 5.0
#: A journal that a long reader let grow is cut to this size afterwards, in bytes.
JOURNAL_BYTES = 16_000_000

MIGRATIONS = ("001_results", "002_runs", "003_proofs")
#: Files from this version on know runs, keys and hashes.
WITH_RUNS = 2

# A page that is written again replaces itself.
_PUT_PAGE = """INSERT OR REPLACE INTO pages
  (job, url, state, status, kind, reason, attempts, depth, missing, proxy, fetched_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
# The items of a page before they are written (again).
_DROP_ITEMS = "DELETE FROM items WHERE job = ? AND url = ?"
_PUT_ITEM = "INSERT INTO items (job, url, position, data, key, hash) VALUES (?, ?, ?, ?, ?, ?)"
# The first page of a job makes its run; one with items says what identifies them.
_MEET_RUN = """INSERT INTO runs (job, state, reason, at, started_at, entry, key)
  VALUES (?1, 'running', '', ?2, ?2, '', ?3)
  ON CONFLICT (job) DO UPDATE SET key = excluded.key WHERE excluded.key NOT IN ('[]', key)"""
# Where a job stands; an entry that comes again, or late, changes nothing.
_PUT_STANDING = """INSERT INTO runs (job, state, reason, at, started_at, entry, key)
  VALUES (?, ?, ?, ?, ?, ?, '[]')
  ON CONFLICT (job) DO UPDATE SET state = excluded.state, reason = excluded.reason, at = excluded.at,
    started_at = coalesce(excluded.started_at, started_at), entry = excluded.entry
  WHERE excluded.entry > entry"""
# Every item of a job, in an order that does not depend on when what was fetched.
_ITEMS = "SELECT url, data FROM items WHERE job = ? ORDER BY url, position"
# The pages that gave nothing, or less than they should; with classes, whatever ended by one of them.
_FAILURES = """SELECT url, state, kind, reason, attempts, missing, proxy, depth FROM pages
  WHERE job = ?1 AND iif(?2 = '[]', state = 'error' OR missing <> '{}',
    kind IN (SELECT value FROM json_each(?2))) ORDER BY url"""
_HAS = "SELECT 1 FROM pages WHERE job = ? AND url = ?"
_RUNS = """SELECT job, state, at, started_at, key, reason FROM runs
  WHERE state <> 'pruned' ORDER BY job"""
# The same of a file that was written before there was such a table.
_OLD_RUNS = """SELECT job, 'unknown', max(fetched_at), min(fetched_at), '[]', '' FROM pages
  GROUP BY job ORDER BY job"""


_OF_THE_DATA = (
    *(sqlite3.InterfaceError, sqlite3.DataError),
    *(sqlite3.IntegrityError, sqlite3.ProgrammingError),
)


class NotStorable(OrchError):
    """An entry has something that the file cannot keep; the disk is not to blame."""


@dataclass(frozen=True, slots=True)
class Run:
    """A job of which something is here; it stands so since `at` (s), and `key` identifies its items."""

    job: str
    state: str
    at: float
    started_at: float | None = None
    key: tuple[str, ...] = ()
    reason: str = ""


class Results:
    """The file of one site; an open connection of one thread."""

    def __init__(self, path: Path, *, write: bool = False) -> None:
        """Open it; with `write`, make and migrate it. A reader needs neither.

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
                where = f"{path.as_uri()}?mode=ro"
                self._db = sqlite3.connect(where, uri=True, timeout=BUSY_S, isolation_level=None)
            self.version = self._version()
            self._db.create_function("content_hash", 1, _hash_of, deterministic=True)
            self._db.create_function("item_key", 2, _key_of, deterministic=True)

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
            NotStorable: nothing of it was written, and some of it never will be.
            OrchError: another failure of the file.
        """
        with self.writing():
            met: dict[str, list[str]] = {}
            for entry in entries:
                if not isinstance(entry.told, Outcome):
                    self._put_standing(entry, entry.told)
                    continue
                if met.get(entry.job) != entry.told.key:
                    met[entry.job] = entry.told.key
                    words = (entry.job, entry.told.fetched_at, json.dumps(entry.told.key))
                    self._db.execute(_MEET_RUN, words)
                self._put(entry.job, entry.told)

    def items(self, job: str) -> Iterator[dict[str, Any]]:
        """Every item of a job; `_url` is the page it is from. The same order whenever it was fetched."""
        for url, data in self.rows(_ITEMS, (job,)):
            yield {**json.loads(data), "_url": url}

    def failures(self, job: str, kinds: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
        """Pages that failed, and pages with items that lacked a required field, by URL.

        With `kinds`, every page that ended by one of these classes, also those that were skipped.
        """
        names = ("url", "state", "kind", "reason", "attempts", "missing", "proxy", "depth")
        for row in self.rows(_FAILURES, (job, json.dumps([*kinds]))):
            found = dict(zip(names, row, strict=True))
            yield {**found, "missing": json.loads(found["missing"])}

    def has(self, job: str, url: str) -> bool:
        """Whether it is known here what came of a page."""
        return any(self.rows(_HAS, (job, url)))

    def runs(self) -> list[Run]:
        """The jobs of which something is here, the oldest first: their ids grow with time."""
        found = self.rows(_RUNS if self.version >= WITH_RUNS else _OLD_RUNS)
        return [
            Run(job, state, at, began, tuple(json.loads(key)), reason)
            for job, state, at, began, key, reason in found
        ]

    def newest_job(self) -> str | None:
        """The id of the newest job of which something is here."""
        runs = self.runs()
        return runs[-1].job if runs else None

    def rows(self, query: str, words: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, while they are read."""
        with self._translated():
            yield from self._db.execute(query, words)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read within be of one moment, whatever is written meanwhile."""
        with self._translated():
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.rollback()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is done within, or nothing.

        Raises:
            DiskFull, NotStorable, OrchError: nothing of it was done.
        """
        with self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def outside(self, command: str) -> None:
        """Do what can be in no transaction."""
        with self._translated():
            self._db.execute(command).fetchall()

    def _put(self, job: str, page: Outcome) -> None:
        row = (
            *(job, page.url, page.state, page.status, page.kind, page.reason, page.attempts),
            *(page.depth, json.dumps(page.missing), page.proxy, page.fetched_at),
        )
        self._db.execute(_PUT_PAGE, row)
        self._db.execute(_DROP_ITEMS, (job, page.url))
        if page.state == "done" and page.sight is not None:
            proofs.put(self._db, job, page.url, page.sight)
        rows = [
            (
                *(job, page.url, position, json.dumps(item, ensure_ascii=False)),
                *(item_key(item, page.key), content_hash(item)),
            )
            for position, item in enumerate(page.items)
        ]
        self._db.executemany(_PUT_ITEM, rows)

    def _put_standing(self, entry: Entry, standing: Standing) -> None:
        made, _, sequence = entry.id.partition("-")
        order = f"{made:0>20}-{sequence:0>20}"
        told = (entry.job, str(standing.state), standing.reason)
        words = (*told, standing.at, standing.started_at, order)
        self._db.execute(_PUT_STANDING, words)

    def _version(self) -> int:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > len(MIGRATIONS):
            raise OrchError(f"{self.path} was written by a newer orch", hint="update this one")
        return version

    def _prepare(self) -> None:
        # What is deleted later makes the file smaller; this holds for a file that is new.
        self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        # What is taken off Redis afterwards must survive a power cut.
        self._db.execute("PRAGMA synchronous = FULL")
        for number, name in enumerate(MIGRATIONS, 1):
            if self._version() < number:
                self._migrate(number, name)

    def _migrate(self, number: int, name: str) -> None:
        text = resources.files("sites.results").joinpath(f"sql/{name}.sql").read_text("utf-8")
        with self.writing():
            if self._version() < number:  # nobody else did meanwhile
                for statement in _statements(text):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {number}")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (*_OF_THE_DATA, OverflowError, UnicodeError) as error:
            raise NotStorable(f"{self.path}: {error}") from error
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
                raise DiskFull(
                    f"the disk that holds {self.path} is full", hint="free some space"
                ) from error
            raise OrchError(f"{self.path}: {error}") from error


def _statements(text: str) -> Iterator[str]:
    """The statements of a migration: a script of many would be no transaction."""
    statement = ""
    for line in text.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _hash_of(data: str) -> bytes:
    return content_hash(json.loads(data))


def _key_of(data: str, names: str) -> str:
    return item_key(json.loads(data), json.loads(names))
