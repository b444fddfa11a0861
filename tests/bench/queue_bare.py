"""SQLite with no queue around it: what no queue in a file gets beyond."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.bench.queue_engine import LOCKED_S, Engine, New, Taken


class Bare(Engine):
    """No queue at all: one row a commit, and the least that a lease and an ack can do."""

    can = frozenset({"processes", "put many", "turn many"})

    def start(self, folder: Path, sync: str, **_: Any) -> None:
        self.conn = self.connected(str(folder / "rows.sqlite"))
        for line in (
            "PRAGMA journal_mode = WAL",
            f"PRAGMA synchronous = {sync}",
            "CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, payload TEXT)",
            "CREATE TABLE IF NOT EXISTS job (seq INTEGER PRIMARY KEY, payload TEXT, fence INT)",
            "CREATE INDEX IF NOT EXISTS ready ON job (seq) WHERE fence = 0",
        ):
            list(self.conn.execute(line))

    def connected(self, path: str) -> Any:
        return sqlite3.connect(path, isolation_level=None, timeout=LOCKED_S)

    def prepare(self, jobs: Sequence[New]) -> list[tuple[str]]:
        return [(payload,) for _, payload in jobs]

    def put(self, jobs: Iterable[tuple[str]]) -> None:
        self.conn.execute("BEGIN IMMEDIATE")
        self.conn.executemany("INSERT INTO line (payload) VALUES (?)", jobs)
        self.conn.execute("COMMIT")

    def add(self, jobs: Sequence[New]) -> None:
        self.conn.execute("BEGIN IMMEDIATE")
        rows = self.prepare(jobs)
        self.conn.executemany("INSERT INTO job (payload, fence) VALUES (?, 0)", rows)
        self.conn.execute("COMMIT")

    def turn(self, taken: Sequence[Taken], n: int) -> list[Taken]:
        conn = self.conn
        conn.execute("BEGIN IMMEDIATE")
        conn.executemany("UPDATE job SET fence = -1 WHERE seq = ?", [(seq,) for _, seq in taken])
        found = conn.execute(
            "UPDATE job SET fence = 1 WHERE seq IN"
            " (SELECT seq FROM job WHERE fence = 0 ORDER BY seq LIMIT ?) RETURNING payload, seq",
            (n,),
        )
        rows = list(found)
        conn.execute("COMMIT")
        return rows

    def age(self, done: int, taken: int) -> None:
        marks = "UPDATE job SET fence = ? WHERE seq > ? AND seq <= ?"
        self.conn.execute(marks, (-1, 0, done))
        self.conn.execute(marks, (1, done, done + taken))

    def left(self) -> int:
        ((count,),) = self.conn.execute("SELECT count(*) FROM job WHERE fence >= 0")
        return int(count)


class BareApsw(Bare):
    """The same with the other binding, and the SQLite that it brings."""

    def connected(self, path: str) -> Any:
        apsw = importlib.import_module("apsw")
        self.locked = (apsw.BusyError,)
        conn = apsw.Connection(path)
        conn.set_busy_timeout(round(1000 * LOCKED_S))
        return conn
