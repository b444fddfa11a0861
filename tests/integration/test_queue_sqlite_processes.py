"""Several processes write to one file: nobody starves, and the log stays small."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from orchestrator.queue.model import Limits, NewJob, QueueState
from orchestrator.queue.sqlite import SqliteStore
from orchestrator.queue.token import parse
from tests.support.queue_place import TTL, add, check_the_counts, counted

SPAWN = multiprocessing.get_context("spawn")
PROCESSES = 4
EACH = 300
#: Bytes that the log may have: SQLite writes it back after 1,000 pages, and one transaction may go over it.
LOG = 1000 * 4200 + 1_500_000


def work(path: str, start: Any, results: Any) -> None:
    """Take and end jobs, as quick as can be; report the fences, which number the writes of all."""
    store = SqliteStore(path)
    store.stats()
    start.wait()
    fences, token = [], ""
    for _ in range(EACH):
        with store.together():
            if token:
                store.ack(token, QueueState.DONE)
            (lease,) = store.lease(1, TTL)
        token = lease.token
        fences.append(parse(token).fence)
    store.ack(token, QueueState.DONE)
    store.close()
    results.put(fences)


@pytest.mark.alone
def test_four_processes_that_ask_all_the_time_are_served_alike(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    store = SqliteStore(path)
    store.enqueue([NewJob(str(number)) for number in range(PROCESSES * EACH)])
    start, results = SPAWN.Barrier(PROCESSES), SPAWN.Queue()
    workers = [
        SPAWN.Process(target=work, args=(str(path), start, results)) for _ in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()

    order = sorted((fence, who) for who, fences in enumerate(found) for fence in fences)
    assert len({fence for fence, _ in order}) == PROCESSES * EACH
    # While all of them ask: from when the last one began to when the first one was through.
    first, last = max(fences[0] for fences in found), min(fences[-1] for fences in found)
    served = Counter(who for fence, who in order if first <= fence <= last)
    total = sum(served.values())
    jain = total**2 / (PROCESSES * sum(count**2 for count in served.values()))
    assert total > PROCESSES * EACH / 2, "they hardly met"
    assert jain >= 0.9, served
    assert counted(store) == {"done": PROCESSES * EACH}
    check_the_counts(store)
    assert (tmp_path / "queue.sqlite-wal").stat().st_size <= LOG


def test_the_log_stays_small_behind_somebody_who_has_it_open(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    idle, store = SqliteStore(path), SqliteStore(path)
    add(store, "first")
    idle.stats()
    idle.wakes(0)
    for number in range(50):
        store.enqueue([NewJob(f"{number}-{each}", payload="x" * 1000) for each in range(800)])
        idle.stats()
    assert (tmp_path / "queue.sqlite-wal").stat().st_size <= LOG
    assert counted(idle) == {"queued": 40_001}


def make(path: str, start: Any, results: Any) -> None:
    store = SqliteStore(path)
    start.wait()
    results.put(add(store, "a"))


def test_processes_that_make_the_file_at_once_make_one(tmp_path: Path) -> None:
    path = tmp_path / "data" / "queue.sqlite"
    start, results = SPAWN.Barrier(PROCESSES), SPAWN.Queue()
    makers = [
        SPAWN.Process(target=make, args=(str(path), start, results)) for _ in range(PROCESSES)
    ]
    for maker in makers:
        maker.start()
    assert sum(results.get(timeout=60) for _ in makers) == 1
    for maker in makers:
        maker.join()
    assert counted(SqliteStore(path)) == {"queued": 1}


def test_an_idle_look_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    store = SqliteStore(path)
    store.set_limits(Limits(every_key=1))
    add(store, "later", delay=TTL)
    watching = sqlite3.connect(path)
    before = watching.execute("PRAGMA data_version").fetchone()
    for _ in range(3):
        assert store.lease(5, TTL) == []
        assert store.heartbeat([], TTL) == []
        assert not store.wakes(0.02)
        store.stats()
    assert watching.execute("PRAGMA data_version").fetchone() == before
    watching.close()
