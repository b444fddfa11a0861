"""The runner over real stores, with real threads, processes and signals."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from orchestrator.queue import dispatcher
from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.model import NewJob, QueueState
from orchestrator.queue.open import open_queue
from orchestrator.queue.pipeline import Done, Pipelines, Task
from orchestrator.queue.runner import Runner
from orchestrator.queue.store import Store
from orchestrator.queue.work import WorkQueue
from tests.support.orch import eventually
from tests.support.queue_place import Place, check_the_counts, counted, job
from tests.support.runner_child import SERVER, Book, Child

log = logging.getLogger(__name__)

#: No lease runs out because a machine, or its disk, stands still for some seconds.
QUICK: dict[str, Any] = {
    "lease_ttl_seconds": 60,
    "heartbeat_seconds": 0.2,
    "retry_backoff_seconds": 0,
    "jitter_seconds": 0,
    "max_per_host": 0,
}


@pytest.fixture
def queue(queue_place: Place) -> Iterator[WorkQueue]:
    with open_queue(queue_place.target) as opened:
        yield opened


@pytest.fixture
def store(queue: WorkQueue) -> Store:
    return queue.store


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "book.jsonl")


def runner(queue: WorkQueue, pipeline: Any, *, drain: bool = False, **config: Any) -> Runner:
    pipelines = Pipelines({"mine": pipeline}, "mine")
    return Runner(queue, pipelines, RunnerConfig(**{**QUICK, **config}), folder=Path(), drain=drain)


def fill(store: Store, n: int, payload: Any = None, **fields: Any) -> None:
    text = json.dumps(payload or {})
    store.enqueue([NewJob(f"job-{number}", text, **fields) for number in range(n)])


def test_drain_does_each_job_once_and_keeps_its_result(queue: WorkQueue, store: Store) -> None:
    fill(store, 300)
    ran: list[str] = []

    def pipeline(task: Task) -> Any:
        ran.append(task.id)
        return Done({"id": task.id}, [NewJob(f"{task.id}/child")] if "/" not in task.id else [])

    runner(queue, pipeline, drain=True).run()
    assert len(ran) == len(set(ran)) == 600
    assert counted(store) == {"done": 600}
    assert json.loads(str(job(store, "job-7/child").result)) == {"id": "job-7/child"}


def test_what_a_limit_of_none_holds_back_does_not_keep_a_drain_from_its_end(
    queue: WorkQueue, store: Store
) -> None:
    queue.enqueue_many([NewJob("held", key="hot"), NewJob("a", key="cold"), NewJob("b")])

    runner(queue, lambda task: task.id, drain=True, max_per_resolver={"hot": 0}).run()

    assert [job.id for job in store.jobs(state=QueueState.QUEUED)] == ["held"]
    assert store.stats().done == 2


def test_an_empty_queue_is_drained_at_once(queue: WorkQueue) -> None:
    def took() -> float:
        began = time.monotonic()
        runner(queue, print, drain=True).run()
        return time.monotonic() - began

    assert min(took() for _ in range(3)) < 1  # whatever else the machine does only adds to it


def enqueue_some(place: Place, n: int) -> None:
    """One after the other, as soon as the one before is done."""
    with open_queue(place.target) as queue:
        for number in range(n):
            queue.enqueue(f"new-{number}", {"at": time.monotonic()})
            eventually(lambda: queue.stats().done > number, 30)  # noqa: B023 - asked at once


@pytest.mark.alone
def test_work_from_another_process_wakes_an_idle_runner(
    queue: WorkQueue, queue_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "RECHECK_S", 60.0)  # it is woken, or never hears of them
    waits: list[float] = []
    with runner(queue, lambda task: waits.append(time.monotonic() - task.payload["at"])):
        other = SERVER.Process(target=enqueue_some, args=(queue_place, 20), daemon=True)
        other.start()
        other.join(60)
        assert other.exitcode == 0
    assert len(waits) == 20
    log.info("enqueue to running: median %.4f s, worst %.4f s", median(waits), max(waits))
    assert median(waits) < 0.05


def test_a_job_longer_than_three_leases_runs_once(
    queue: WorkQueue, store: Store, queue_place: Place, book: Book
) -> None:
    fill(store, 1, {"for": 16})
    config = {**QUICK, "lease_ttl_seconds": 5}  # longer than a heartbeat may be late
    children = [Child(queue_place.target, book, config).start() for _ in range(2)]
    for child in children:
        child.join(90)
    assert [line["attempt"] for line in book.lines("run")] == [1]
    assert counted(store) == {"done": 1}


def test_a_runner_that_stands_still_loses_its_job_and_its_outcome_is_dropped(
    store: Store, queue_place: Place, book: Book, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    fill(store, 1, {"until": str(go)})
    # The second one may stand still, too, but not for so long; and the first one is stopped before it
    # writes: in the middle of a heartbeat it would keep everybody from the file.
    config = {**QUICK, "lease_ttl_seconds": 8, "heartbeat_seconds": 2}
    child = Child(queue_place.target, book, config, drain=False)
    first = child.start()
    eventually(lambda: book.lines("run"))
    os.kill(first.pid or 0, signal.SIGSTOP)
    second = child.start()
    eventually(lambda: len(book.lines("run")) == 2)
    go.touch()
    eventually(lambda: counted(store) == {"done": 1})
    os.kill(first.pid or 0, signal.SIGCONT)
    eventually(lambda: book.lines("lease.lost"))
    assert {line["pid"] for line in book.lines("lease.lost")} == {first.pid}
    assert json.loads(str(job(store, "job-0").result))["pid"] == second.pid
    assert job(store, "job-0").attempts == 2
    for process in (first, second):
        process.kill()
        process.join()


@pytest.mark.alone
def test_a_stop_at_any_time_leaves_nothing_in_progress(
    queue: WorkQueue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("dispatcher", "runner"):  # a disk may take its time for what is handed back
        monkeypatch.setattr(f"orchestrator.queue.{module}.LAST_TRY_S", 30.0)
    fill(store, 400)
    took = []
    draw = random.Random(4)

    def pipeline(task: Task) -> str | None:
        task.over.wait(draw.choice([0, 0, 0.01, 0.2, 30]))
        return task.id

    for turn in range(12):
        made = runner(queue, pipeline, max_workers=6)
        grace = draw.choice([0, 0.1, 0.3])
        with made:
            eventually(lambda: made.status.started > turn)  # noqa: B023 - asked at once
            time.sleep(draw.random() * 0.1)
            began = time.monotonic()
            made.stop(grace)
            made.wait()
            took.append(time.monotonic() - began - grace)
        assert "in_progress" not in counted(store), turn
    assert median(took) < 1, took
    assert max(took) < 15, took  # a machine that stands still is no stop that does not end
    check_the_counts(store)
    queued = store.jobs(state=QueueState.QUEUED, limit=1000)
    assert {found.attempts for found in queued} <= {0}


def test_two_runners_share_a_queue(
    store: Store, queue_place: Place, book: Book, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    fill(store, 400, {"for": 0.01, "until": str(go)})
    children = [Child(queue_place.target, book, QUICK).start() for _ in range(2)]
    # Neither has done all before the other one was there.
    eventually(lambda: len({line["pid"] for line in book.lines("run")}) == 2)
    go.touch()
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    runs = book.lines("run")
    assert Counter(line["id"] for line in runs) == Counter(f"job-{n}" for n in range(400))
    assert len({line["pid"] for line in runs}) == 2
    assert counted(store) == {"done": 400}


def test_a_cold_key_starts_behind_hot_ones_that_are_at_their_limit(
    queue: WorkQueue, store: Store
) -> None:
    store.enqueue([NewJob(f"hot-{number}", key="hot") for number in range(2000)])
    running: Counter[str] = Counter()
    go = threading.Event()

    def pipeline(task: Task) -> None:
        running[task.lease.key] += 1
        while not (go.is_set() or task.over.wait(0.01)):
            pass

    with runner(queue, pipeline, max_per_resolver={"hot": 2}) as made:
        eventually(lambda: running["hot"] == 2)
        took = []
        for number in range(1, 4):
            began = time.monotonic()
            queue.enqueue(f"cold-{number}", key="cold")
            eventually(lambda: running["cold"] == number)  # noqa: B023 - asked at once
            took.append(time.monotonic() - began)
        assert min(took) < 1, took  # whatever else the machine does only adds to it
        made.stop(0)
    assert running["hot"] == 2
