"""The runner over a queue in memory: what a stop waits for, and how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator.queue.dispatcher import Dispatcher
from orchestrator.queue.pipeline import Task
from tests.support.memory_queue import MemoryStore
from tests.support.memory_runner import Gate, fill, runner, took
from tests.support.orch import eventually


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as made:
        yield made


def test_stop_lets_running_jobs_finish(store: MemoryStore, gate: Gate) -> None:
    fill(store, 10)
    with runner(store, gate, max_workers=2) as made:
        eventually(lambda: len(gate.running) == 2)
        made.stop(30)
        threading.Timer(0.3, gate.opened.set).start()
    assert sorted(store.states().values()) == ["done"] * 2 + ["queued"] * 8
    assert len(gate.running) == 2


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine that stands still did not get done in time is done all the same."""
    for module in ("dispatcher", "runner"):
        monkeypatch.setattr(f"orchestrator.queue.{module}.LAST_TRY_S", 30.0)


def quickest(stop: Callable[[], float]) -> float:
    """Of three times: whatever else the machine does only adds to it."""
    return min(stop() for _ in range(3))


@pytest.mark.alone
@pytest.mark.usefixtures("patient")
def test_after_the_grace_they_are_handed_back_with_their_attempt() -> None:
    def stop() -> float:
        store = MemoryStore()
        fill(store, 10)
        with Gate() as gate, runner(store, gate, max_workers=2) as made:
            eventually(lambda: len(gate.running) == 2)
            began = time.monotonic()
            made.stop(0.5)
            made.wait()
            needed = time.monotonic() - began
            assert needed > 0.4
            eventually(lambda: sorted(gate.told) == ["0", "1"])
            assert made.status.released == 2
        assert set(store.states().values()) == {"queued"}
        assert {job.attempts for job in store.kept.values()} == {0}
        return needed

    assert quickest(stop) < 1.5


@pytest.mark.alone
@pytest.mark.usefixtures("patient")
def test_a_pipeline_that_never_returns_does_not_hold_up_a_stop() -> None:
    def stop() -> float:
        store = MemoryStore()
        fill(store, 3)
        with Gate(stubborn=True) as stubborn, runner(store, stubborn, max_workers=2) as made:
            eventually(lambda: len(stubborn.running) == 2)
            made.stop(0.2)
            needed = took(made.wait)
        assert set(store.states().values()) == {"queued"}
        return needed

    assert quickest(stop) < 1.2


@pytest.mark.alone
@pytest.mark.usefixtures("patient")
def test_the_second_request_means_at_once() -> None:
    def stop() -> float:
        store = MemoryStore()
        fill(store, 1)
        with Gate() as gate, runner(store, gate) as made:
            eventually(lambda: gate.running)
            made.stop(60)
            made.stop()
            needed = took(made.wait)
        assert store.states() == {"0": "queued"}
        return needed

    assert quickest(stop) < 1


def test_what_was_leased_ahead_is_handed_back_at_the_beginning_of_a_stop(
    store: MemoryStore, gate: Gate
) -> None:
    fill(store, 500)

    def pipeline(task: Task) -> Any:
        return gate(task) if int(task.id) > 50 else None

    with runner(store, pipeline, max_workers=2) as made:
        eventually(lambda: len(gate.running) == 2)
        made.stop(60)
        eventually(lambda: list(store.states().values()).count("in_progress") == 2)
        made.stop()


@pytest.mark.alone
def test_stop_of_an_idle_runner_takes_no_time() -> None:
    def stop() -> float:
        store = MemoryStore()
        with runner(store, print) as made:
            eventually(lambda: store.called["next_at"])
            made.stop()
            return took(made.wait)

    assert quickest(stop) < 0.9


@pytest.mark.alone
def test_a_stop_while_the_store_is_away_ends_in_time() -> None:
    def stop() -> float:
        store = MemoryStore()
        fill(store, 1)
        with Gate() as gate, runner(store, gate) as made:
            eventually(lambda: gate.running)
            store.away = True
            made.stop(0.2)
            return took(made.wait)

    assert quickest(stop) < 1.3


def test_a_stop_keeps_trying_to_tell_results_while_there_is_grace(
    store: MemoryStore, gate: Gate
) -> None:
    fill(store, 1)
    with runner(store, gate, config={"lease_ttl_seconds": 60}) as made:
        eventually(lambda: gate.running)
        store.away = True
        made.stop(60)
        gate.opened.set()
        eventually(lambda: made.status.paused)
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 1)
        store.away = False
        assert took(made.wait) < 10
        assert made.status.done == 1
    assert store.kept["0"].result == '"0"'


@pytest.mark.alone
def test_what_a_stop_could_not_tell_is_told_to_who_asked(store: MemoryStore, gate: Gate) -> None:
    fill(store, 2)
    told: list[Any] = []
    with runner(store, gate, on_event=lambda *a, **k: told.append((a[0], k))) as made:
        eventually(lambda: len(gate.running) == 2)
        store.away = True
        gate.opened.set()
        eventually(lambda: made.status.running == 0)
        made.stop(0.2)
        assert took(made.wait) < 1.3
    eventually(lambda: told[-1][0] == "runner.stopped")
    assert [fields for name, fields in told if name == "runner.left"] == [
        {"leases": 2, "outcomes": 2}
    ]


def test_a_bell_that_rings_into_a_gap_holds_up_no_stop(
    store: MemoryStore, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Dispatcher._settle

    def late(self: Dispatcher, *args: Any) -> None:
        if not gate.opened.is_set():
            self.stop.bell.clear()
            gate.opened.set()
            eventually(self.stop.bell.is_set)
        settle(self, *args)

    monkeypatch.setattr(Dispatcher, "_settle", late)
    monkeypatch.setattr(store, "wakes", time.sleep)  # rings no other bell
    fill(store, 1)
    with runner(store, gate) as made:
        eventually(lambda: gate.running)
        made.stop(60)
        assert took(made.wait) < 5
    assert store.states() == {"0": "done"}


def test_a_mistake_of_ours_hands_back_and_is_raised(store: MemoryStore, gate: Gate) -> None:
    fill(store, 1)
    made = runner(store, gate)
    store.next_at = lambda: 1 / bool(not gate.running)  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        made.run()
    assert store.states() == {"0": "queued"}
