"""The runner over a queue in memory: what it takes, how long it keeps it, and when it is idle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.queue import dispatcher
from orchestrator.queue.dispatcher import FACTOR
from orchestrator.queue.model import NewJob
from orchestrator.queue.pipeline import Pipelines, Task
from orchestrator.queue.worker import Worker
from tests.support.memory_queue import MemoryStore, queue_over
from tests.support.memory_runner import Gate, fill, runner
from tests.support.orch import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as made:
        yield made


@pytest.fixture
def stubborn() -> Iterator[Gate]:
    with Gate(stubborn=True) as made:
        yield made


def test_short_jobs_are_leased_ahead_of_the_threads(store: MemoryStore) -> None:
    fill(store, 2000)
    runner(store, lambda _: None, max_workers=4, drain=True).run()
    assert 4 < store.most_leased <= 4 * FACTOR
    assert set(store.states().values()) == {"done"}


def test_what_was_leased_ahead_goes_back_when_it_waits_too_long(
    store: MemoryStore, gate: Gate
) -> None:
    fill(store, 300)

    def pipeline(task: Task) -> Any:
        return gate(task) if int(task.id) > 100 else None

    with runner(store, pipeline, max_workers=4) as made:
        eventually(lambda: len(gate.running) == 4)
        # What does not wait here any more is on its way back to the queue.
        eventually(
            lambda: (
                made.status.waiting == 0 and list(store.states().values()).count("in_progress") == 4
            ),
            what="others may be idle",
        )
        assert all(job.attempts == 0 for job in store.kept.values() if job.state == "queued")
        made.stop(0)


@pytest.mark.alone
def test_a_new_job_wakes_an_idle_runner(store: MemoryStore) -> None:
    with runner(store, lambda _: None) as made:
        eventually(lambda: store.called["next_at"] >= 2)
        waits = []
        for number in range(20):
            began = time.monotonic()
            store.enqueue([NewJob(f"new{number}")])
            while made.status.done <= number:
                time.sleep(0.0005)
            waits.append(time.monotonic() - began)
    assert sorted(waits)[10] < 0.05  # looking every half second would take a quarter on average


def test_an_idle_runner_asks_little(store: MemoryStore) -> None:
    with runner(store, print):
        eventually(lambda: store.called["lease"] >= 3)
        began, leases = time.monotonic(), store.called["lease"]
        eventually(lambda: store.called["lease"] >= leases + 3)
        assert time.monotonic() - began > 1


def test_a_job_much_longer_than_the_ttl_runs_once(store: MemoryStore, gate: Gate) -> None:
    fill(store, 1)
    # Longer than this machine may stand still.
    with runner(store, gate, config={"max_run_seconds": 60, "lease_ttl_seconds": 4}) as made:
        eventually(lambda: gate.running)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 10)
        gate.opened.set()
        eventually(lambda: made.status.done == 1)
    assert gate.running == ["0"]
    assert store.kept["0"].attempts == 1


def test_a_heartbeat_that_fails_is_no_failure_of_the_job(store: MemoryStore, gate: Gate) -> None:
    fill(store, 1)
    with runner(store, gate, config={"lease_ttl_seconds": 60}) as made:
        eventually(lambda: gate.running)
        store.away_for = {"heartbeat"}
        failed = store.called["heartbeat"]
        eventually(lambda: store.called["heartbeat"] > failed + 2)
        gate.opened.set()
        eventually(lambda: made.status.done == 1)
    assert store.states() == {"0": "done"}


def test_a_lost_lease_is_told_and_its_outcome_dropped(store: MemoryStore, gate: Gate) -> None:
    fill(store, 1)
    told: list[str] = []
    with runner(store, gate, on_event=lambda name, **_: told.append(name)) as made:
        eventually(lambda: gate.running)
        store.lose("0")
        eventually(lambda: gate.told == ["0"])
        eventually(lambda: made.status.lost == 1 and made.status.running == 0)
        assert made.status.done == 0
    assert told.count("lease.lost") == 1
    assert store.called["commit"] == store.called["retry"] == 0


def test_a_job_that_runs_too_long_is_tried_again_and_its_thread_replaced(
    store: MemoryStore, stubborn: Gate
) -> None:
    fill(store, 1)
    config = {"max_run_seconds": 1, "retry_backoff_seconds": 600}
    with runner(store, stubborn, max_workers=1, config=config) as made:
        eventually(lambda: made.status.retried == 1)
        assert "max_run_seconds (1)" in store.kept["0"].reason
        assert made.status.abandoned == 1
        store.enqueue([NewJob("next")])
        eventually(lambda: "next" in stubborn.running)
        stubborn.opened.set()
        eventually(lambda: made.status.done == 1)
    assert store.states() == {"0": "queued", "next": "done"}


def test_a_lost_job_that_does_not_come_back_frees_its_place(
    store: MemoryStore, stubborn: Gate
) -> None:
    fill(store, 1)
    with runner(store, stubborn, max_workers=1, config={"lease_ttl_seconds": 60}) as made:
        eventually(lambda: stubborn.running)
        store.lose("0")
        eventually(lambda: made.status.lost == 1)
        store.enqueue([NewJob("next")])
        eventually(lambda: "next" in stubborn.running)
        assert made.status.abandoned == 1
        stubborn.opened.set()
        eventually(lambda: made.status.done == 1)
    assert (made.status.lost, made.status.released) == (1, 0)


def test_a_job_that_comes_back_when_its_time_is_up_keeps_its_thread(
    store: MemoryStore, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LEAVE_S", 30.0)  # it comes back, if the machine lets it
    fill(store, 1)
    with runner(store, gate, config={"max_run_seconds": 1, "retry_backoff_seconds": 600}) as made:
        eventually(lambda: made.status.retried == 1)
        assert made.status.abandoned == 0
    assert store.kept["0"].result is None  # "half done" is not done


def test_run_one_keeps_the_lease_of_a_long_job(store: MemoryStore) -> None:
    fill(store, 1)
    queue = replace(queue_over(store), lease_ttl_s=6)  # may stand still between two heartbeats
    pipelines = Pipelines({"mine": lambda task: task.over.wait(13)}, "mine")
    assert Worker(queue, pipelines, "me", Path()).run_one()
    assert store.states() == {"0": "done"}
    assert store.called["heartbeat"] >= 3
