"""The runner over a queue in memory that is away for a while, or does not take what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.errors import DiskFull, OrchError, RedisNotReady, Unavailable
from orchestrator.queue import dispatcher, exchange
from orchestrator.queue.pipeline import Task
from tests.support.memory_queue import MemoryStore
from tests.support.memory_runner import Picky, fill, runner
from tests.support.orch import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "AGAIN_S", 0.01)
    monkeypatch.setattr(dispatcher, "RECHECK_S", 0.01)


def test_a_store_that_is_away_for_a_while_costs_no_result(store: MemoryStore) -> None:
    fill(store, 50)
    told: list[str] = []
    ran: list[str] = []

    def pipeline(task: Task) -> str:
        ran.append(task.id)
        if len(ran) == 20:
            store.away = True
        return task.id

    config = {"lease_ttl_seconds": 60}
    with runner(
        store, pipeline, drain=True, config=config, on_event=lambda name, **_: told.append(name)
    ) as made:
        eventually(lambda: made.status.paused)
        eventually(lambda: made.status.running == 0 and made.status.waiting == 0)
        assert "away" in made.status.paused
        store.away = False
        made.wait()
    assert len(ran) == len(set(ran)) == 50
    assert set(store.states().values()) == {"done"}
    assert made.status.done == 50
    assert told.count("runner.paused") == told.count("runner.resumed") == 1


def test_an_answer_that_was_lost_is_no_lost_lease(store: MemoryStore) -> None:
    """The store took the outcome, and only then it was away."""
    fill(store, 4)

    def pipeline(task: Task) -> str:
        store.away_for = {"together"}
        return task.id

    with runner(store, pipeline, drain=True, config={"lease_ttl_seconds": 60}) as made:
        eventually(lambda: made.status.paused)
        eventually(lambda: set(store.states().values()) == {"done"})
        store.away_for = set()
        made.wait()
    assert (made.status.done, made.status.lost) == (4, 0)


def test_an_outcome_that_cannot_be_told_keeps_no_other_from_going_on(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, 50)
    commit, bad = store.commit, {"3", "4"}

    def picky(token: str, *args: Any, **fields: Any) -> int:
        if token.rpartition(".")[2] in bad:
            raise Unavailable("that cannot be sent")
        return commit(token, *args, **fields)

    monkeypatch.setattr(store, "commit", picky)
    with runner(store, lambda task: task.id, max_workers=2, drain=True) as made:
        eventually(lambda: made.status.done == 48)
        fill(store, 60)
        eventually(lambda: made.status.done == 58)
        assert not made.status.paused
        bad.clear()
        made.wait()
    assert (made.status.done, made.status.started) == (60, 60)


@pytest.mark.usefixtures("impatient")
def test_an_outcome_that_is_never_taken_ends_its_job_as_error_and_the_drain(
    store: MemoryStore,
) -> None:
    fill(store, 5)
    Picky(store, "commit", error=OrchError("it is too large"))
    told: list[str] = []
    made = runner(store, print, drain=True, on_event=lambda name, **_: told.append(name))
    made.run()
    assert (made.status.done, made.status.failed, made.status.untold) == (4, 1, 0)
    assert store.kept["3"].reason == "the queue does not take the outcome: it is too large"
    assert told.count("job.refused") == told.count("job.failed") == 1


@pytest.mark.usefixtures("impatient")
def test_a_job_whose_end_is_never_taken_is_let_go_and_the_drain_ends(store: MemoryStore) -> None:
    fill(store, 5)
    Picky(store, "commit", error=Unavailable("that cannot be sent"))
    told: list[Any] = []
    made = runner(
        store,
        print,
        drain=True,
        lease_ttl_seconds=600,
        on_event=lambda *a, **k: told.append((a[0], k)),
    )
    made.run()
    assert (made.status.done, made.status.failed, made.status.untold) == (4, 0, 1)
    assert store.states()["3"] == "in_progress"  # until its lease runs out
    assert [fields for name, fields in told if name == "job.let_go"] == [
        {"id": "3", "error": "that cannot be sent"}
    ]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("error", [DiskFull("full"), RedisNotReady("a replica")])
def test_a_store_that_has_no_room_for_an_outcome_gets_it_when_it_has(
    store: MemoryStore, error: OrchError
) -> None:
    fill(store, 5)
    picky = Picky(store, "commit", error=error)
    with runner(store, lambda task: task.id, drain=True) as made:
        eventually(lambda: picky.refused > 2 * (exchange.MOST_REFUSALS + exchange.LAST_REFUSALS))
        picky.wanted = False
        made.wait()
    assert (made.status.done, made.status.failed, made.status.untold) == (5, 0, 0)
