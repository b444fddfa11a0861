"""Many processes on one queue, over both stores."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import TTL, Place, add, counted, job, one, until

SPAWN = multiprocessing.get_context("spawn")
PROCESSES, EACH = 8, 200


@pytest.fixture
def store(queue_place: Place) -> Iterator[Store]:
    with queue_place.open() as opened:
        yield opened


def work_off(place: Place, log: Path) -> None:
    """Take jobs until none is left, and write each down."""
    with place.open() as store, log.open("a") as book:
        while leases := store.lease(5, TTL, worker=str(os.getpid())):
            for lease in leases:
                book.write(f"{lease.id}\n")
                store.ack(lease.token, QueueState.DONE, result=str(os.getpid()))


def start(*arguments: tuple[object, ...]) -> list[BaseProcess]:
    started = [SPAWN.Process(target=work_off, args=each) for each in arguments]
    for process in started:
        process.start()
    return started


def test_many_processes_work_each_job_off_exactly_once(
    store: Store, queue_place: Place, tmp_path: Path
) -> None:
    ids = [str(number) for number in range(PROCESSES * EACH)]
    store.enqueue([NewJob(name, key=name[-1], host=name[-2:]) for name in ids])
    logs = [tmp_path / f"{number}.log" for number in range(PROCESSES)]
    for process in start(*((queue_place, log) for log in logs)):
        process.join(60)
        assert process.exitcode == 0
    worked = Counter(word for log in logs for word in log.read_text().split())
    assert worked == Counter(ids)
    assert counted(store) == {"done": len(ids)}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_may_go_on_with_the_store_of_its_parent(store: Store) -> None:
    add(store, "a", "b", "c")
    held = one(store)
    child = os.fork()
    if not child:
        code = 1
        try:
            store.ack(held.token, QueueState.DONE, result='"child"')
            code = 0 if one(store).id == "b" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert job(store, "a").result == '"child"'
    with pytest.raises(LeaseLost):
        store.ack(held.token, QueueState.DONE)
    assert one(store).id == "c"
    assert counted(store) == {"done": 1, "in_progress": 2}


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_parent_and_its_forked_children_work_at_once(store: Store, tmp_path: Path) -> None:
    ids = [str(number) for number in range(300)]
    add(store, *ids)
    one(store)
    children = []
    for number in range(3):
        if not (child := os.fork()):
            work_in_child(store, tmp_path / str(number))
        children.append(child)
    work_in_turn(store, tmp_path / "parent")
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0, 0, 0]
    logs = [tmp_path / name for name in ("0", "1", "2", "parent")]
    worked = [word for log in logs for word in log.read_text().split()]
    assert sorted([*worked, "0"]) == sorted(ids)
    assert counted(store) == {"done": len(ids) - 1, "in_progress": 1}


def work_in_child(store: Store, log: Path) -> None:
    """Never return to the test."""
    code = 1
    try:
        work_in_turn(store, log)
        code = 0
    finally:
        os._exit(code)


def work_in_turn(store: Store, log: Path) -> None:
    with log.open("a") as book:
        while leases := store.lease(1, TTL):
            store.ack(leases[0].token, QueueState.DONE)
            book.write(f"{leases[0].id}\n")


def hold(place: Place, ttl: float) -> None:
    """Lease a job and never come back."""
    place.open().lease(1, ttl, worker="dead")
    SPAWN.Event().wait()


def test_the_job_of_a_killed_holder_comes_back_when_its_lease_ran_out(
    store: Store, queue_place: Place
) -> None:
    add(store, "a")
    holder = SPAWN.Process(target=hold, args=(queue_place, 0.5))
    holder.start()
    until(lambda: store.stats().in_progress)
    holder.kill()
    holder.join()
    taken = []
    until(lambda: taken.extend(store.lease(1, TTL)) or taken)
    assert [(lease.id, lease.attempt) for lease in taken] == [("a", 2)]
    assert job(store, "a").history[0].worker == "dead"
