"""Other queues in a file, each used as its documents say, as durable as it can be set."""

from __future__ import annotations

import importlib
import pickle
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from tests.bench.queue_engine import LOCKED_S, Engine, New, Taken


class LiteQueue(Engine):
    can = frozenset({"processes", "leases", "put many"})

    def start(self, folder: Path, sync: str, **_: Any) -> None:
        module = importlib.import_module("litequeue")
        self.queue = module.LiteQueue(folder / "queue.sqlite", timeout=LOCKED_S)
        self.queue.conn.execute(f"PRAGMA synchronous = {sync}")

    def put(self, jobs: Sequence[New]) -> None:
        if len(jobs) == 1:
            self.queue.put(jobs[0][1])
            return
        with self.queue.transaction("IMMEDIATE"):
            for _, payload in jobs:
                self.queue.put(payload)

    def turn(self, taken: Sequence[Taken], n: int) -> list[Taken]:
        for one in taken:
            self.ack(one)
        messages = (self.queue.pop() for _ in range(n))
        return [(message.data, message) for message in messages if message]

    def ack(self, one: Taken) -> bool:
        done: bool = self.queue.done(one[1].message_id, claim_id=one[1].claim_id)
        return done

    def age(self, done: int, taken: int) -> None:
        conn = self.queue.conn
        conn.execute("UPDATE Queue SET status = 2 WHERE rowid <= ?", (done,))
        conn.execute(
            "UPDATE Queue SET status = 1, claim_id = 1, lock_time = ?"
            " WHERE rowid > ? AND rowid <= ?",
            (time.time_ns(), done, done + taken),
        )

    def recover(self) -> None:
        self.queue.retry_expired(self.lease_s)

    def left(self) -> int:
        count: int = self.queue.active_count()
        return count


class Huey(Engine):
    """Its storage, without the pickled task around each job; taking is deleting, there is no ack."""

    can = frozenset({"processes", "wait"})

    def start(self, folder: Path, sync: str, **_: Any) -> None:
        module = importlib.import_module("huey")
        path = str(folder / "queue.sqlite")
        self.huey = module.SqliteHuey(filename=path, fsync=True, timeout=LOCKED_S)
        self.storage = self.huey.storage
        self.taking: Callable[[str], object] = print
        self.task = self.huey.task(name="take")(lambda text: self.taking(text) and None)
        self.storage.conn.execute(f"PRAGMA synchronous = {sync}")

    def prepare(self, jobs: Sequence[New]) -> list[bytes]:
        return [payload.encode() for _, payload in jobs]

    def put(self, jobs: list[bytes]) -> None:
        for payload in jobs:
            self.storage.enqueue(payload)

    def add(self, jobs: Sequence[New]) -> None:
        rows = [(self.storage.name, payload, 0) for payload in self.prepare(jobs)]
        with self.storage.db(commit=True) as cursor:
            cursor.executemany("insert into task (queue, data, priority) values (?, ?, ?)", rows)

    def turn(self, _taken: Sequence[Taken], n: int) -> list[Taken]:
        found = (self.storage.dequeue() for _ in range(n))
        return [(bytes(data).decode(), None) for data in found if data is not None]

    def age(self, done: int, taken: int) -> None:
        self.storage.sql("delete from task where id <= ?", (done + taken,), commit=True)

    def send(self, job: New) -> None:
        self.task(job[1])

    def consume(self, take: Callable[[str], object]) -> None:
        self.taking = take
        self.huey.create_consumer(workers=1, periodic=False).run()

    def left(self) -> int:
        size: int = self.storage.queue_size()
        return size


class PersistQueue(Engine):
    """Its queue with acks; it takes back on opening, what all others hold: for one process only."""

    can = frozenset()

    def start(self, folder: Path, sync: str, **_: Any) -> None:
        module = importlib.import_module("persistqueue")
        self.empty = module.Empty
        self.queue = module.SQLiteAckQueue(str(folder), timeout=LOCKED_S)
        self.queue._conn.execute(f"PRAGMA synchronous = {sync}")

    def put(self, jobs: Sequence[New]) -> None:
        for _, payload in jobs:
            self.queue.put(payload)

    def add(self, jobs: Sequence[New]) -> None:
        rows = [(pickle.dumps(payload), time.time()) for _, payload in jobs]
        with self.queue._putter as conn:
            conn.executemany(self.queue._sql_insert, rows)

    def turn(self, taken: Sequence[Taken], n: int) -> list[Taken]:
        for _, row in taken:
            self.queue.ack(id=row)
        found: list[Taken] = []
        with suppress(self.empty):
            for _ in range(n):
                one = self.queue.get(block=False, raw=True)
                found.append((one["data"], one["pqid"]))
        return found

    def age(self, done: int, taken: int) -> None:
        marks = f"UPDATE {self.queue._table_name} SET status = ? WHERE _id > ? AND _id <= ?"  # noqa: S608
        with self.queue._putter as conn:
            conn.execute(marks, (5, 0, done))
            conn.execute(marks, (2, done, done + taken))

    def left(self) -> int:
        rows: int = self.queue.ready_count() + self.queue.unack_count()
        return rows + int(self.queue._ack_count_via_status("0"))


class LocalQueue(Engine):
    can = frozenset({"processes", "leases", "put many", "wait"})

    def start(self, folder: Path, sync: str, **_: Any) -> None:
        self.file = folder / "localqueue.db"
        self.module = importlib.import_module("localqueue")
        self.locked = (self.module.LocalQueueError,)
        self.durable = sync == "FULL"
        self.opened()

    def opened(self) -> None:
        mode = self.module.DurabilityMode
        self.queue = self.module.SimpleQueue(
            str(self.file.parent),
            delivery=self.module.DeliveryPolicy(lease_seconds=self.lease_s, max_retries=1000),
            durability=mode.DURABLE if self.durable else mode.RELAXED,
        )

    def put(self, jobs: Sequence[New]) -> None:
        if len(jobs) == 1:
            self.queue.put(jobs[0][1])
        else:
            self.queue.put_many([payload for _, payload in jobs])

    def turn(self, taken: Sequence[Taken], n: int) -> list[Taken]:
        for _, job in taken:
            self.queue.ack(job)
        found: list[Taken] = []
        with suppress(self.module.Empty):
            for _ in range(n):
                job = self.queue.get(timeout=0)
                found.append((job.data, job))
        return found

    def ack(self, one: Taken) -> bool:
        with suppress(self.module.LocalQueueError):
            self.queue.ack(one[1])
            return True
        return False

    def age(self, done: int, taken: int) -> None:
        self.queue.close()  # it brings a SQLite of its own: two of them at one file break its locks
        with closing(sqlite3.connect(self.file)) as conn, conn:
            marks = "UPDATE messages SET status = ?, attempts = 1, lease_until = ?, receipt = ?"
            where = " WHERE id > ? AND id <= ?"
            until = round(1000 * (time.time() + self.lease_s))
            conn.execute(marks + where, (2, None, None, 0, done))
            conn.execute(marks + where, (1, until, "other", done, done + taken))
        self.opened()

    def consume(self, take: Callable[[str], object]) -> None:
        while job := self.queue.get():
            take(job.data)
            self.queue.ack(job)

    def left(self) -> int:
        counts = self.queue.stats()
        return int(counts["ready"] + counts["processing"])
