"""Ours, in a file and on a Redis."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.bench.queue_engine import Engine, New, Taken


class Ours(Engine):
    """Ours in a file; `keys` and `hosts` spread the jobs over so many, with limits on both."""

    can = frozenset({"processes", "leases", "put many", "turn many"})

    def start(self, folder: Path, sync: str, **options: Any) -> None:
        self.model = importlib.import_module("orchestrator.queue.model")
        self.errors = importlib.import_module("orchestrator.core.errors")
        self.locked = (self.errors.Busy,)
        self.store = self.opened(folder, sync, options.get("url", ""))
        self.keys, self.hosts = options.get("keys", 0), options.get("hosts", 0)
        self.count = 0
        if self.keys or self.hosts:
            self.store.set_limits(self.model.Limits(every_key=1000, per_host=1000))

    def opened(self, folder: Path, sync: str, _url: str, /) -> Any:
        module = importlib.import_module("orchestrator.queue.sqlite")
        return module.SqliteStore(folder / "queue.sqlite", synchronous=sync)

    def prepare(self, jobs: Sequence[New]) -> Any:
        return [self._job(*job) for job in jobs]

    def put(self, jobs: Any) -> None:
        self.store.enqueue(jobs)

    def turn(self, taken: Sequence[Taken], n: int) -> list[Taken]:
        store, done = self.store, self.model.QueueState.DONE
        with store.together():
            for _, token in taken:
                store.ack(token, done)
            if not n:
                return []
            leases = store.lease(n, self.lease_s, max_attempts=1000)
        return [(lease.payload, lease.token) for lease in leases]

    def ack(self, one: Taken) -> bool:
        with suppress(self.errors.LeaseLost):
            self.store.ack(one[1], self.model.QueueState.DONE)
            return True
        return False

    def age(self, done: int, taken: int) -> None:
        held: list[Taken] = []
        for begin in range(0, done + 1, 1000):
            held = self.turn(held, min(1000, done - begin))
        for _ in range(0, taken, 1000):
            self.turn([], 1000)

    def left(self) -> int:
        live: int = self.store.stats().live
        return live

    def stats(self) -> None:
        self.store.stats()

    def close(self) -> None:
        self.store.close()

    def _job(self, job_id: str, payload: str) -> Any:
        self.count += 1
        key = f"key{self.count % self.keys}" if self.keys else ""
        host = f"host{self.count % self.hosts}.example" if self.hosts else ""
        return self.model.NewJob(job_id, payload, key=key, host=host)


class Redis(Ours):
    """Ours on a Redis."""

    def opened(self, _folder: Path, _sync: str, url: str, /) -> Any:
        return importlib.import_module("orchestrator.queue.redis_store").open_store(
            url, create=True
        )
