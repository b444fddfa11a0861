"""Runners are killed at random, again and again: nothing is lost, stuck, or done twice for nothing."""

from __future__ import annotations

import itertools
import json
import logging
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.queue.dispatcher import FACTOR
from orchestrator.queue.model import NewJob, QueueState
from orchestrator.queue.open import open_queue
from tests.support.queue_place import ALL, Place, check_the_counts, counted
from tests.support.runner_child import Book, Child

log = logging.getLogger(__name__)

KILLS, AT_ONCE = 200, 3
#: With SOAK also on Redis, where it takes more than a minute; a quarter of it in any other run.
REDIS_KILLS = KILLS if os.environ.get("SOAK") else KILLS // 4
JOBS_A_KILL = 100
CONFIG: dict[str, Any] = {
    "max_workers": 4,
    # Longer than this machine and its disk ever stand still: only who is killed loses a lease.
    "lease_ttl_seconds": 10,
    "heartbeat_seconds": 0.3,
    "max_job_attempts": 100,
    "max_per_host": 0,
}


class Killer:
    """Keeps so many runners going and kills one of them whenever so many more jobs are done."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.running: list[BaseProcess] = []
        self.killed: dict[int, float] = {}  #: pid -> when, at the earliest

    def keep_going(self) -> None:
        self.running = [process for process in self.running if process.is_alive()]
        while len(self.running) < AT_ONCE:
            self.running.append(self.child.start())

    def kill(self, process: BaseProcess) -> None:
        assert process.pid
        self.killed[process.pid] = time.monotonic()
        process.kill()
        process.join()

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.join()


@pytest.mark.timeout(300)
def test_two_hundred_killed_runners_lose_nothing(queue_place: Place, tmp_path: Path) -> None:
    kills = REDIS_KILLS if "://" in queue_place.target else KILLS
    ids = [f"j{number}" for number in range(kills * JOBS_A_KILL)]
    book = Book(tmp_path / "book.jsonl")
    killer = Killer(Child(queue_place.target, book, CONFIG))
    with open_queue(queue_place.target) as queue:
        queue.enqueue_many([NewJob(name, key=f"k{name[-1]}", host=f"h{name[-2:]}") for name in ids])
        try:
            kill_while_they_work(killer, kills, lambda: queue.stats().done)
            killer.keep_going()
            for process in killer.running:
                process.join(60)
                assert process.exitcode == 0
        finally:
            killer.close()
        assert len(killer.killed) == kills
        assert counted(queue.store) == {"done": len(ids)}
        check_the_counts(queue.store)
        done = queue.store.jobs(state=QueueState.DONE, limit=ALL)
    results = {job.id: json.loads(str(job.result)) for job in done}
    assert results.keys() == set(ids)
    again = check_the_runs(book, killer.killed, results)
    log.info("%d kills, %d of %d jobs repeated", kills, again, len(ids))
    assert again <= kills * CONFIG["max_workers"] * FACTOR


def kill_while_they_work(killer: Killer, kills: int, done: Callable[[], int]) -> None:
    """Kill a runner at a random moment of each `JOBS_A_KILL` jobs, but for the last few."""
    for number in range(kills):
        killer.keep_going()
        due = (number + random.random()) * JOBS_A_KILL * 0.98
        assert wait_until(lambda: done() >= due, Deadline.after(60), every=0.005)  # noqa: B023
        killer.kill(random.choice(killer.running))


def check_the_runs(book: Book, killed: dict[int, float], results: dict[str, Any]) -> int:
    """Each result is that of the job's last run, each run before it was cut short; return how many were."""
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in book.lines("run"):
        runs[line["id"]].append(line)
    assert runs.keys() == results.keys()
    again = 0
    for job_id, ran in runs.items():
        ran.sort(key=lambda line: line["attempt"])
        assert results[job_id] == {name: ran[-1][name] for name in ("id", "attempt", "pid")}
        for one, after in itertools.pairwise(ran):
            again += 1
            assert one["pid"] in killed, f"repeated, and nobody killed its runner: {ran}"
            assert after["at"] > killed[one["pid"]], f"ran twice at once: {ran}"
    return again
