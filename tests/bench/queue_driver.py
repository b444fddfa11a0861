"""Drives one queue, ours or another one, as a process that is told what to do."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.driver import drive
from tests.bench.queue_engine import Engine, Taken
from tests.bench.queue_engines import ENGINES

#: Bytes of a payload.
PAYLOAD = 200
#: Characters of an id; a payload begins with it.
ID = 12
#: A worker that is going to be killed takes up to so long for a job.
WORK_S = 0.02


def payload(job_id: str) -> str:
    head = f'{{"id": "{job_id}", "url": "https://shop.example/products/{job_id}", "note": "'
    return head + "x" * (PAYLOAD - len(head) - 2) + '"}'


def ident(text: str) -> str:
    return text[8 : 8 + ID]


class Driver:
    """The verbs of a queue."""

    def __init__(self) -> None:
        self.engine: Engine
        self.count = 0
        self.ready = 0

    def open(self, engine: str, folder: str, sync: str, **options: Any) -> list[str]:
        """Open the queue of that kind; answer with what it can do."""
        self.engine = ENGINES[engine](Path(folder), sync, **options)
        return sorted(self.engine.can)

    def fill(self, ready: int, done: int = 0, taken: int = 0) -> None:
        """So many ready jobs, behind so many that ended and so many in flight."""
        if done or taken:
            self._add(done + taken)
            self.engine.age(done, taken)
            self.ready -= done + taken
        self._add(ready - self.ready)

    def put_back(self, jobs: int) -> None:
        """Add so many, behind the others."""
        self._add(jobs)

    def put(self, seconds: float, batch: int) -> float:
        """Add jobs for about so long; how many a second."""
        spent, added = 0.0, 0
        while spent < seconds:
            jobs = self.engine.prepare(self._new(batch))
            began = time.perf_counter()
            self.engine.put(jobs)
            spent += time.perf_counter() - began
            added += batch
        self.ready += added
        return added / spent

    def turns(
        self, seconds: float, batch: int, *, most: int = 1_000_000, start_at: float = 0.0
    ) -> dict[str, Any]:
        """Take jobs and ack them, `batch` at a time, for so long, so many, or until there are none."""
        engine, taken, worst, failed = self.engine, list[Taken](), 0.0, 0
        done: list[str] = []
        time.sleep(max(0.0, start_at - time.monotonic()))
        began = last = time.perf_counter()
        while last - began < seconds and len(done) < most:
            try:
                taken = engine.turn(taken, batch)
            except engine.locked:
                failed += 1
            now = time.perf_counter()
            worst, last = max(worst, now - last), now
            if not taken:
                break
            done += [text for text, _ in taken]
        engine.turn(taken, 0)
        self.ready -= len(done)
        return {
            "jobs": len(done),
            "seconds": last - began,
            "worst_ms": 1000 * worst,
            "failed": failed,
            "ids": [ident(text) for text in done] if start_at else [],
        }

    def took(self, jobs: int) -> None:
        """Others took so many."""
        self.ready -= jobs

    def stats(self, times: int) -> float:
        """What counting costs, in milliseconds: the median."""
        took = []
        for _ in range(times):
            began = time.perf_counter()
            self.engine.stats()
            took.append(time.perf_counter() - began)
        return 1000 * sorted(took)[times // 2]

    def put_stamped(self, times: int, least: float, most: float) -> None:
        """Add jobs one by one, with pauses, each with the time it was added at."""
        for _ in range(times):
            time.sleep(random.uniform(least, most))
            self.count += 1
            self.engine.send((f"{self.count:0{ID}}", json.dumps({"at": time.monotonic()})))

    def consume(self, log: str) -> None:
        """Note for each job how long ago it was added, in milliseconds; until killed."""
        notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

        def take(text: str) -> None:
            now = time.monotonic()
            os.write(notes, f"{1000 * (now - json.loads(text)['at'])}\n".encode())

        self.engine.consume(take)

    def serve(self, log: str, until_empty: bool) -> None:
        """Work as a worker does; a line for each job that was taken, was done, and was acked.

        Is killed, or ends when the queue stays empty.
        """
        notes = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        engine, patience = self.engine, time.monotonic()
        while not until_empty or time.monotonic() - patience < engine.lease_s + 1:
            for text, handle in engine.turn([], 1):
                job, patience = ident(text), time.monotonic()
                os.write(notes, f"taken {job} {os.getpid()}\n".encode())
                if not until_empty:
                    time.sleep(random.uniform(0, WORK_S))
                os.write(notes, f"done {job} {os.getpid()}\n".encode())
                engine.turn([(text, handle)], 0)
                os.write(notes, f"acked {job} {os.getpid()}\n".encode())
            if time.monotonic() > patience + 0.01:
                time.sleep(0.01)

    def recover(self) -> None:
        self.engine.recover()

    def left(self) -> int:
        """How many jobs have not ended, as the queue sees it."""
        return self.engine.left()

    def stale(self, jobs: int) -> int:
        """How many of so many acks are taken whose lease ran out and whose job another one has."""
        old = self.engine.turn([], jobs)
        time.sleep(self.engine.lease_s + 0.2)
        self.engine.recover()
        again = self.engine.turn([], jobs)
        held = {ident(text) for text, _ in again}
        return sum(self.engine.ack(one) for one in old if ident(one[0]) in held)

    def close(self) -> None:
        self.engine.close()

    def _add(self, jobs: int) -> None:
        for piece in self._pieces(jobs):
            self.engine.add(piece)
        self.ready += max(0, jobs)

    def _pieces(self, jobs: int, size: int = 1000) -> Iterator[list[tuple[str, str]]]:
        for begin in range(0, jobs, size):
            yield self._new(min(size, jobs - begin))

    def _new(self, jobs: int) -> list[tuple[str, str]]:
        ids = [f"{number:0{ID}}" for number in range(self.count, self.count + jobs)]
        self.count += jobs
        return [(job_id, payload(job_id)) for job_id in ids]


if __name__ == "__main__":
    drive(Driver())
