"""The runner over a queue in memory, where nobody waits; the rest is in `tests/integration`."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.errors import IncompatibleData, OrchError
from orchestrator.queue.holdings import Holdings, Stage
from orchestrator.queue.model import EVERY_HOST, NEVER_SET, Lease, Limits, NewJob
from orchestrator.queue.pipeline import Pipelines, Task
from orchestrator.queue.worker import Worker
from tests.support.memory_queue import MemoryStore, queue_over
from tests.support.memory_runner import Gate, fill, runner, took
from tests.support.orch import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as made:
        yield made


def test_drain_of_nothing_ends_at_once(store: MemoryStore) -> None:
    # Whatever else the machine does only adds to it.
    assert min(took(runner(store, print, drain=True).run) for _ in range(3)) < 0.5


def test_what_is_leased_is_bounded_and_threads_never_more_than_wanted(
    store: MemoryStore, gate: Gate
) -> None:
    fill(store, 100)
    with runner(store, gate, max_workers=4) as made:
        eventually(lambda: len(gate.running) == 4)
        assert store.called["lease"] >= 1
        assert made.status.running == 4
        assert store.most_leased <= 4  # nobody knows yet how long they take
        made.stop(0)


def holding(store: MemoryStore) -> tuple[dict[str, int | None], int | None, int | None]:
    found = store.now_limits
    return dict(found.per_key), found.every_key, found.per_host


def test_the_limits_of_the_config_hold_where_nobody_has_set_any(store: MemoryStore) -> None:
    with runner(store, print, max_per_resolver={"a": 2}):
        assert holding(store) == ({"a": 2}, None, 4)
    with runner(store, print, max_per_resolver={"b": 3}, max_per_host=5):  # the next one's
        assert holding(store) == ({"b": 3}, None, 5)
    with runner(store, print, max_per_host=0):
        assert holding(store) == ({}, None, None)


def test_limits_that_were_set_in_the_queue_stay_whatever_the_config_says(
    store: MemoryStore,
) -> None:
    config = {"max_per_resolver": {"a": 7, "b": 7, "c": 7}, "max_per_host": 7}
    store.set_limits(NEVER_SET.changed({"ka": 2, "kb": None, EVERY_HOST: 1}))
    with runner(store, print, **config):
        assert holding(store) == ({"a": 2, "b": None, "c": 7}, None, 1)
    store.set_limits(store.now_limits.changed({EVERY_HOST: None}))
    with runner(store, print, **config):
        assert holding(store) == ({"a": 2, "b": None, "c": 7}, None, None)
    with runner(store, print):
        assert holding(store) == ({"a": 2, "b": None}, None, None)


def test_limits_that_were_all_set_to_none_stay_so(store: MemoryStore) -> None:
    store.set_limits(Limits())
    with runner(store, print, max_per_host=7):
        assert holding(store) == ({}, None, None)


def test_a_start_that_changes_no_limit_writes_none(store: MemoryStore) -> None:
    for _ in range(3):
        with runner(store, print):
            pass
    assert store.called["set_limits"] == 1


def test_after_a_standstill_longer_than_a_lease_nothing_is_begun() -> None:
    holdings = Holdings(Path(), ttl=10)
    early, late = holdings.add([Lease("a", "1.1.a", "{}", 1), Lease("b", "1.2.b", "{}", 1)], 0)
    assert holdings.begin(early, 9)
    assert not holdings.begin(late, 11)
    assert holdings.at(Stage.BACK) == [late]
    holdings.extended(9)
    (other,) = holdings.add([Lease("c", "1.3.c", "{}", 1)], 0)
    assert holdings.begin(other, 18)


def test_a_store_that_is_away_at_the_start_is_told(store: MemoryStore) -> None:
    store.away = True
    with pytest.raises(OrchError, match="away"):
        runner(store, print).run()


def test_run_one_gives_back_what_it_has_no_pipeline_for(store: MemoryStore) -> None:
    store.enqueue([NewJob("x", '{"pipeline": "theirs"}')])
    worker = Worker(queue_over(store), Pipelines({"mine": print}, "mine"), "me", Path())
    assert [worker.run_one() for _ in range(2)] == [True, False]
    assert (store.states(), store.kept["x"].attempts) == ({"x": "queued"}, 0)


def test_a_queue_that_nobody_can_read_any_more_ends_the_runner(store: MemoryStore) -> None:
    store.trouble, store.away_for = IncompatibleData, {"lease"}
    with pytest.raises(IncompatibleData):
        runner(store, print, drain=True).run()


def test_run_one_does_one_job_in_the_callers_thread(store: MemoryStore) -> None:
    fill(store, 2)
    threads: list[threading.Thread] = []
    pipelines = Pipelines({"mine": lambda _: threads.append(threading.current_thread())}, "mine")
    worker = Worker(queue_over(store), pipelines, "me", Path())
    assert [worker.run_one() for _ in range(3)] == [True, True, False]
    assert threads == [threading.main_thread()] * 2
    assert set(store.states().values()) == {"done"}


def test_ctrl_c_in_run_one_hands_the_job_back(store: MemoryStore) -> None:
    def pipeline(_: Task) -> None:
        raise KeyboardInterrupt

    fill(store, 1)
    with pytest.raises(KeyboardInterrupt):
        Worker(queue_over(store), Pipelines({"mine": pipeline}, "mine"), "me").run_one()
    assert store.states() == {"0": "queued"}
    assert store.kept["0"].attempts == 0


def test_run_one_drops_what_comes_of_a_lost_lease(store: MemoryStore) -> None:
    fill(store, 1)
    queue = replace(queue_over(store), lease_ttl_s=0.3)

    def pipeline(task: Task) -> bool:
        store.lose("0")
        return task.over.wait(20)

    told: list[bool] = []
    pipelines = Pipelines({"mine": lambda task: told.append(pipeline(task))}, "mine")
    assert Worker(queue, pipelines, "me", Path()).run_one()
    assert told == [True]
    assert store.called["commit"] == 1  # asked, and refused
    assert store.states() == {"0": "in_progress"}
