"""The runner over a queue in memory: what a drain does, what it waits for and what it leaves."""

from __future__ import annotations

import time
from typing import Any

import pytest

from orchestrator.queue import dispatcher, leftovers
from orchestrator.queue.model import Limits, NewJob, QueueState, Stats
from orchestrator.queue.pipeline import Done, Retry, Task
from tests.support.memory_queue import MemoryStore, queue_over
from tests.support.memory_runner import fill, runner
from tests.support.orch import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_drain_does_all_and_ends(store: MemoryStore) -> None:
    fill(store, 500)
    made = runner(store, lambda task: task.id, drain=True)
    made.run()
    assert set(store.states().values()) == {"done"}
    assert {job.result for job in store.kept.values()} == {f'"{n}"' for n in range(500)}
    status = made.status
    assert (status.started, status.done, status.running, status.waiting) == (500, 500, 0, 0)
    assert status.rate > 0


def test_drain_waits_for_delayed_jobs_and_for_new_ones(store: MemoryStore) -> None:
    def parent(task: Task) -> Any:
        return Done(None, [NewJob("child", delay=0.3)] if task.id == "0" else [])

    fill(store, 1, delay=0.3)
    runner(store, parent, drain=True).run()
    assert store.states() == {"0": "done", "child": "done"}


def test_drain_without_delayed_ones_leaves_them(store: MemoryStore) -> None:
    fill(store, 3)
    store.enqueue([NewJob("later", delay=600)])
    runner(store, lambda _: None, drain=True, wait_delayed=False).run()
    assert sorted(store.states().values()) == ["done", "done", "done", "queued"]


def test_drain_waits_for_jobs_that_others_hold(store: MemoryStore) -> None:
    fill(store, 1)
    queue_over(store).lease(1, "gone", ttl=0.5)  # and its holder is no more
    runner(store, lambda _: "second", drain=True).run()
    assert store.kept["0"].result == '"second"'


def test_a_drain_waits_for_a_place_that_another_holds(store: MemoryStore) -> None:
    """Held back by others for now, and not for ever."""
    fill(store, 3)
    store.enqueue([NewJob("x", key="x"), NewJob("b", key="b")])
    (lease,) = queue_over(store).lease(1, "another")
    store.set_limits(Limits({"b": 0, "x": 0}))
    with runner(store, print, drain=True, wait_delayed=False, lease_ttl_seconds=60) as made:
        eventually(lambda: made.status.done == 2)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 2)
        store.release([lease.token])
        made.wait()
    assert made.status.done == 3


@pytest.mark.parametrize("wait_delayed", [True, False])
def test_a_drain_leaves_what_a_limit_of_0_holds_back(
    store: MemoryStore, *, wait_delayed: bool
) -> None:
    fill(store, 3)
    store.enqueue([NewJob("b", key="b"), NewJob("later", key="b", delay=600)])
    store.set_limits(Limits({"b": 0}))
    made = runner(store, print, drain=True, wait_delayed=wait_delayed)
    made.run()
    assert (made.status.done, store.states()["b"]) == (3, "queued")


@pytest.mark.parametrize(
    "limits", [Limits({"b": 0}), Limits(every_key=0), Limits(per_host=0), Limits({"": 0, "b": 0})]
)
def test_a_drain_without_delayed_ones_ends_with_delayed_and_held_back_ones(
    store: MemoryStore, limits: Limits
) -> None:
    fill(store, 3, **({"key": "a"} if "" in limits.per_key else {}))
    store.enqueue([NewJob(f"b{n}", key="b", host="b", delay=600 * (n % 2)) for n in range(4)])
    store.enqueue([NewJob("later", delay=600)])
    store.set_limits(limits)
    made = runner(store, print, drain=True, wait_delayed=False)
    made.run()
    assert (made.status.done, store.states()["b0"]) == (3, "queued")


def test_a_drain_ends_when_only_jobs_of_hosts_with_a_limit_of_0_are_left(
    store: MemoryStore,
) -> None:
    fill(store, 3)
    store.enqueue([NewJob("x", host="x"), NewJob("soon", delay=2.5)])
    store.set_limits(Limits(per_host=0))
    runner(store, print, drain=True).run()
    assert store.states() == {"0": "done", "1": "done", "2": "done", "x": "queued", "soon": "done"}


def test_what_comes_due_between_a_lease_and_the_look_is_done_before_a_drain_ends(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "QUIET_S", 0.1)
    store.enqueue([NewJob("x", host="x"), NewJob("soon", delay=0.3)])
    store.set_limits(Limits(per_host=0))
    soon, stats = store.kept["soon"], store.stats

    def late() -> Stats:
        eventually(lambda: soon.ready_at < time.monotonic())
        return stats()

    monkeypatch.setattr(store, "stats", late)
    runner(store, print, drain=True).run()
    assert store.states() == {"x": "queued", "soon": "done"}


def test_a_job_for_a_pipeline_that_is_not_here_is_left_for_others_and_told_once(
    store: MemoryStore,
) -> None:
    fill(store, 3)
    names = ["theirs"] * 3 + ["others"]
    store.enqueue([NewJob(f"x{n}", f'{{"pipeline": "{name}"}}') for n, name in enumerate(names)])
    told: list[Any] = []
    made = runner(store, print, drain=True, on_event=lambda *a, **k: told.append((a[0], k)))
    made.run()
    assert (made.status.done, made.status.failed, made.status.retried) == (3, 0, 0)
    assert made.status.missing == {"theirs": 3, "others": 1}
    assert sorted(store.states().values()) == ["done"] * 3 + ["queued"] * 4
    assert {job.attempts for job in store.kept.values() if job.state == "queued"} == {0}
    assert sorted(fields["pipeline"] for name, fields in told if name == "pipeline.missing") == [
        "others",
        "theirs",
    ]


def test_what_others_took_is_not_missing_any_more_and_keeps_no_drain_from_waiting(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "_PAUSES", ((1000, 1.2),))
    monkeypatch.setattr(leftovers, "_TAKEN_S", 0.1)
    store.enqueue([NewJob("x", '{"pipeline": "theirs"}'), NewJob("later", delay=600)])

    def another_is_quicker() -> bool:
        job = store.kept["x"]
        with store.changed:
            if job.state is QueueState.QUEUED:
                eventually(lambda: job.ready_at < time.monotonic())
                job.state = QueueState.DONE
        return job.state is QueueState.DONE

    with runner(store, print, drain=True) as made:
        eventually(lambda: made.status.missing == {"theirs": 1})
        eventually(another_is_quicker)
        eventually(lambda: made.status.missing == {})
        with store.changed:
            store.kept["later"].ready_at = time.monotonic()
        made.wait()
    assert store.states() == {"x": "done", "later": "done"}


def test_failed_jobs_are_tried_again_until_they_are_out_of_attempts(store: MemoryStore) -> None:
    fill(store, 2)
    told: list[Any] = []

    def pipeline(task: Task) -> Any:
        return Retry("not yet") if task.id == "0" or task.lease.attempt == 1 else "ok"

    made = runner(store, pipeline, drain=True, on_event=lambda *a, **k: told.append((a[0], k)))
    made.run()
    assert store.states() == {"0": "error", "1": "done"}
    assert "not yet" in store.kept["0"].reason
    status = made.status
    assert (status.started, status.done, status.retried, status.failed) == (5, 1, 3, 1)
    assert [name for name, _ in told if name.startswith("job.")].count("job.retried") == 3


def test_who_is_told_cannot_harm(store: MemoryStore) -> None:
    def on_event(name: str, **_: object) -> None:
        raise RuntimeError(name)

    fill(store, 5)
    runner(store, lambda _: Retry("x"), drain=True, on_event=on_event).run()
    assert set(store.states().values()) == {"error"}


def test_sys_exit_in_a_pipeline_ends_no_runner(store: MemoryStore) -> None:
    fill(store, 30)
    ran: list[str] = []

    def pipeline(task: Task) -> Any:
        ran.append(task.id)
        raise (SystemExit, KeyboardInterrupt)[int(task.id) % 2]

    runner(store, pipeline, drain=True, max_workers=2).run()
    assert set(store.states().values()) == {"error"}
    assert len(ran) == 90
