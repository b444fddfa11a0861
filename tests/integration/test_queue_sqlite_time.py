"""The clock of a queue in a file: nothing that is done to the wall clock matters."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import Limits, NewJob, QueueState
from orchestrator.queue.sqlite import SqliteStore, connection
from tests.support.fake_clock import BootClock
from tests.support.queue_place import TTL, add, counted, job, one

HOUR = 3600.0


@pytest.fixture
def clock() -> BootClock:
    return BootClock()


def opened(tmp_path: Path, clock: BootClock) -> SqliteStore:
    return SqliteStore(tmp_path / "queue.sqlite", clock=clock)


@pytest.mark.parametrize("jump", [1000 * HOUR, -1000 * HOUR])
def test_a_jump_of_the_wall_clock_ends_no_lease_and_no_delay(
    tmp_path: Path, clock: BootClock, jump: float
) -> None:
    store = opened(tmp_path, clock)
    add(store, "held")
    lease = one(store)
    add(store, "later", delay=HOUR)

    clock.offset += jump

    for each in (store, opened(tmp_path, clock)):
        assert each.lease(5, TTL) == []
        assert each.heartbeat([lease.token], TTL) == []
    clock.boot += TTL + 0.01
    assert [found.id for found in store.lease(5, 2 * HOUR)] == ["held"]
    clock.boot += HOUR
    assert [found.id for found in store.lease(5, TTL)] == ["later"]


def test_leases_of_an_earlier_boot_have_run_out(
    tmp_path: Path, clock: BootClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, clock) as store:
        add(store, "a")
        add(store, "later", delay=HOUR)
        lease = one(store)
    monkeypatch.setattr(connection, "boot_id", lambda _: "the next boot")
    clock.boot, clock.offset = 5.0, clock.wall() + 60
    with opened(tmp_path, clock) as store:
        with pytest.raises(LeaseLost):
            store.ack(lease.token, QueueState.DONE)
        assert store.stats().expired_leases == 1
        again = one(store)
        assert (again.id, again.attempt) == ("a", 2)
        # Delays go on: the machine was off for a minute.
        assert store.next_at() == pytest.approx(TTL, abs=1)
        assert job(store, "later").not_before == pytest.approx(clock.wall() + HOUR - 65, abs=10)


def test_a_machine_that_boots_into_the_past_goes_on_where_it_was(
    tmp_path: Path, clock: BootClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, clock) as store:
        add(store, "a", delay=10)
    monkeypatch.setattr(connection, "boot_id", lambda _: "the next boot")
    clock.boot, clock.offset = 5.0, 0.0
    with opened(tmp_path, clock) as store:
        assert store.lease(1, TTL) == []
        clock.boot += 11
        assert one(store).id == "a"


def test_a_job_that_ended_before_a_time_is_pruned_by_the_queues_clock(
    tmp_path: Path, clock: BootClock
) -> None:
    store = opened(tmp_path, clock)
    for name in ("old", "new"):
        store.enqueue([NewJob(name)])
        store.ack(one(store).token, QueueState.DONE)
        clock.boot += HOUR
    clock.offset += 1000 * HOUR
    assert store.prune(1.5 * HOUR) == 1
    assert counted(store) == {"done": 1}


def test_work_that_is_held_back_does_not_hold_up_what_is_less_urgent(
    tmp_path: Path, clock: BootClock
) -> None:
    """Not even if all of it is due to be looked at again whenever somebody leases."""
    store = opened(tmp_path, clock)
    off = {f"a{number}": 0 for number in range(300)}
    store.enqueue([NewJob(key, key=key) for key in off])
    store.enqueue([NewJob(f"h{number}", key=f"h{number}", host="h") for number in range(300)])
    store.set_limits(Limits(off, per_host=1))
    add(store, "holds the host", host="h", priority=-1)
    assert one(store).host == "h"
    for _ in range(30):
        assert store.lease(1, TTL) == []
    add(store, "cold", priority=1)
    taken = []
    for _ in range(5):
        clock.sleep(1)
        taken += store.lease(1, TTL)
    assert [lease.id for lease in taken] == ["cold"]
