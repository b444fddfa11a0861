"""A job that takes longer than its lease, with a heartbeat and without."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import QueueState
from tests.support.queue_place import TTL, Place, add, counted, job, until

SPAWN = multiprocessing.get_context("spawn")
#: Seconds: with a heartbeat it is longer than a process may stand still between two of them.
LEASE = {True: 5.0, False: 1.5}
#: Leases.
WORK = 3.5


def work_long(place: Place, book: Path, beats: bool) -> None:
    """Run the job for several leases, then end it; write down what came of it."""
    with place.open() as store:
        (lease,) = store.lease(1, LEASE[beats], worker="long")
        book.write_text("begun")
        end = time.monotonic() + WORK * LEASE[beats]
        while time.monotonic() < end:
            if beats and store.heartbeat([lease.token], LEASE[beats]):
                book.write_text("lost")
                return
            time.sleep(0.15)
        try:
            store.ack(lease.token, QueueState.DONE, result='"long"')
        except LeaseLost:
            book.write_text("refused")
        else:
            book.write_text("done")


@pytest.fixture
def started() -> Iterator[list[BaseProcess]]:
    processes: list[BaseProcess] = []
    yield processes
    for process in processes:
        process.kill()
        process.join()


def start(started: list[BaseProcess], place: Place, book: Path, *, beats: bool) -> None:
    started.append(SPAWN.Process(target=work_long, args=(place, book, beats)))
    started[-1].start()
    until(book.exists, 60)


def test_with_a_heartbeat_it_runs_once(
    queue_place: Place, tmp_path: Path, started: list[BaseProcess]
) -> None:
    with queue_place.open() as store:
        add(store, "a")
        start(started, queue_place, tmp_path / "book", beats=True)
        stolen = []
        until(lambda: stolen.extend(store.lease(1, TTL)) or store.stats().done, 90)
        assert not stolen
        started[0].join(30)
        assert (tmp_path / "book").read_text() == "done"
        assert job(store, "a").result == '"long"'
        assert job(store, "a").attempts == 1


def test_without_one_it_runs_again_and_the_first_ack_is_refused(
    queue_place: Place, tmp_path: Path, started: list[BaseProcess]
) -> None:
    with queue_place.open() as store:
        add(store, "a")
        start(started, queue_place, tmp_path / "book", beats=False)
        taken = []
        until(lambda: taken.extend(store.lease(1, TTL)) or taken)
        assert [(lease.id, lease.attempt) for lease in taken] == [("a", 2)]
        started[0].join(30)
        assert (tmp_path / "book").read_text() == "refused"
        store.ack(taken[0].token, QueueState.DONE, result='"second"')
        assert job(store, "a").result == '"second"'
        assert counted(store) == {"done": 1}
