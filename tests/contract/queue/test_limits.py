"""How many jobs of a key and of a host are leased at once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from orchestrator.queue.model import (
    EVERY_KEY,
    NEVER_SET,
    Lease,
    Limits,
    NewJob,
    QueueState,
)
from orchestrator.queue.store import Store
from tests.support.queue_place import (
    TTL,
    add,
    all_there_is,
    at_last,
    check_the_counts,
    counted,
    lapsed,
    many,
    one,
    soon,
    until,
)

AT_ONCE = pytest.mark.parametrize("n", [1, 10])


def test_there_are_none_at_first_and_what_is_set_holds_for_everybody(
    store: Store, other: Store
) -> None:
    assert store.limits() == other.limits() == NEVER_SET
    limits = Limits({"a:1,b": 2, "ü": 0}, every_key=3, per_host=4)
    store.set_limits(limits)
    assert store.limits() == other.limits() == limits
    other.set_limits(Limits(per_host=1))
    assert store.limits() == other.limits() == Limits(per_host=1)
    store.set_limits(Limits())
    assert store.limits() == other.limits() == Limits()


def test_what_was_never_set_is_told_from_what_was_set_to_any_number(
    store: Store, other: Store
) -> None:
    assert Limits() != NEVER_SET
    limits = Limits({"a": None, "b": 1}, None, 2, defaults=frozenset({"kb", EVERY_KEY}))
    store.set_limits(limits)
    assert store.limits() == other.limits() == limits


@AT_ONCE
def test_a_key_whose_own_limit_was_taken_away_has_that_of_all_others(store: Store, n: int) -> None:
    store.set_limits(Limits({"a": None, "": None}, every_key=2, defaults=frozenset({EVERY_KEY})))
    for key in ("a", "b", ""):
        store.enqueue(many(5, key or "none") if key else [NewJob(str(i)) for i in range(5)])
    keys = Counter(lease.key for lease in all_there_is(store, n))
    assert keys == {"a": 2, "b": 2, "": 5}


@AT_ONCE
def test_no_more_of_a_key_than_its_limit(store: Store, n: int) -> None:
    store.set_limits(Limits({"named": 3, "off": 0}, every_key=2))
    for key in ("named", "off", "a", "b"):
        store.enqueue(many(20, key, hosts=5))
    add(store, *map(str, range(7)))
    keys = Counter(lease.key for lease in all_there_is(store, n))
    assert keys == {"named": 3, "a": 2, "b": 2, "": 7}


@AT_ONCE
def test_no_more_of_a_host_than_its_limit(store: Store, n: int) -> None:
    store.set_limits(Limits(per_host=2))
    for key in ("a", "b", ""):
        for host in ("x", "y", ""):
            add(store, *(f"{key}{host}{number}" for number in range(5)), key=key, host=host)
    hosts = Counter(lease.host for lease in all_there_is(store, n))
    assert hosts == {"x": 2, "y": 2, "": 15}


@AT_ONCE
def test_the_limits_of_keys_and_hosts_hold_together(store: Store, n: int) -> None:
    store.set_limits(Limits(every_key=3, per_host=2))
    for key in "abc":
        for host in "xy":
            add(store, *(f"{key}{host}{number}" for number in range(5)), key=key, host=host)
    leases = all_there_is(store, n)
    assert Counter(lease.host for lease in leases) == {"x": 2, "y": 2}
    assert max(Counter(lease.key for lease in leases).values()) <= 3


def test_the_empty_key_may_be_limited_by_its_name(store: Store) -> None:
    store.set_limits(Limits({"": 1}, every_key=2))
    add(store, "a", "b", "c")
    assert len(all_there_is(store, 5)) == 1


def test_a_call_for_several_takes_what_the_limits_leave(store: Store) -> None:
    store.enqueue(many(100, "hot"))
    store.enqueue(many(100, "cold"))
    store.set_limits(Limits({"hot": 2}))
    keys = Counter(lease.key for lease in all_there_is(store, 10)[:20])
    assert keys == {"hot": 2, "cold": 18}


def ack(store: Store, lease: Lease) -> None:
    store.ack(lease.token, QueueState.DONE)


def commit(store: Store, lease: Lease) -> None:
    store.commit(lease.token, QueueState.ERROR)


def retry(store: Store, lease: Lease) -> None:
    store.retry(lease.token, "boom", TTL)


def release(store: Store, lease: Lease) -> None:
    store.release([lease.token])


def cancel(store: Store, lease: Lease) -> None:
    store.cancel([lease.id])


@pytest.mark.parametrize("limits", [Limits(every_key=1), Limits(per_host=1)])
@pytest.mark.parametrize("leave", [ack, commit, retry, release, cancel])
def test_whoever_ends_a_lease_frees_its_place(
    store: Store, leave: Callable[[Store, Lease], None], limits: Limits
) -> None:
    store.set_limits(limits)
    store.enqueue(many(3, "a"))
    first = one(store)
    assert store.lease(9, TTL) == []
    leave(store, first)
    second = soon(store, 2)
    assert store.lease(9, TTL) == []
    assert second.token != first.token


@pytest.mark.parametrize("limits", [Limits(every_key=2), Limits(per_host=2)])
def test_the_place_of_a_holder_that_died_is_free_when_its_lease_runs_out(
    store: Store, limits: Limits
) -> None:
    store.set_limits(limits)
    store.enqueue(many(5, "a"))
    lapsed(store, 2)
    assert soon(store, 2).attempt in {1, 2}
    soon(store, 2)
    assert all_there_is(store, 5) == []


def test_the_places_of_hundreds_that_died_are_free(store: Store) -> None:
    """More leases than one call takes back."""
    store.set_limits(Limits(every_key=300))
    store.enqueue(many(600, "a"))
    lapsed(store, 300)
    assert len(store.lease(400, TTL)) == 300
    store.lease(0, TTL)
    assert counted(store) == {"queued": 300, "in_progress": 300}


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (Limits(every_key=1), Limits(every_key=3)),
        (Limits({"a": 0}, every_key=5), Limits(every_key=5)),
        (Limits(per_host=0), Limits(per_host=2)),
        (Limits(per_host=1), Limits()),
    ],
)
def test_a_higher_limit_holds_at_once(
    store: Store, other: Store, low: Limits, high: Limits
) -> None:
    store.set_limits(low)
    store.enqueue(many(9, "a"))
    before = len(all_there_is(store, 3))
    other.set_limits(high)
    soon(store, 2)
    room = high.of_key("a") or high.of_host("a0") or 9
    assert before + 1 + len(all_there_is(store, 3)) == room


def test_a_lower_limit_holds_at_once_and_what_is_leased_stays_leased(
    store: Store, other: Store
) -> None:
    store.enqueue(many(20, "a"))
    held = store.lease(5, TTL)
    other.set_limits(Limits(every_key=2))
    assert all_there_is(store, 5) == []
    assert store.heartbeat([lease.token for lease in held], TTL) == []
    for lease in held[:3]:
        ack(store, lease)
        assert store.lease(5, TTL) == []
    ack(store, held[3])
    assert len(all_there_is(store, 5)) == 1


@pytest.mark.parametrize("hosts", [1, 200])
@pytest.mark.parametrize("limits", [Limits({"hot": 1}), Limits(per_host=0)])
def test_a_cold_job_does_not_wait_behind_hot_ones(store: Store, limits: Limits, hosts: int) -> None:
    """Thousands of them: `tests/integration/test_queue_crowds.py`."""
    store.enqueue(many(400, "hot", hosts, priority=-1))
    store.set_limits(limits)
    for number in range(3):
        add(store, f"cold-{number}", key="cold")
        while (lease := at_last(store)).key == "hot":
            assert not number
        assert lease.key == "cold"


@pytest.mark.parametrize("n", [1, 4, 8])
@pytest.mark.parametrize("room", [1, 4])
def test_keys_that_share_a_host_at_its_limit_take_turns(store: Store, n: int, room: int) -> None:
    keys = 20
    store.set_limits(Limits(per_host=room))
    for key in range(keys):
        add(store, *(f"{key}.{i}" for i in range(60)), key=f"k{key:02}", host="shared")
    served, held = Counter[str](), list[Lease]()
    while served.total() < 20 * keys:
        for lease in held or [soon(store)]:
            ack(store, lease)
            served[lease.key] += 1
        held = store.lease(n, TTL)
    assert min(served[f"k{key:02}"] for key in range(keys)) >= 10, served
    assert max(served.values()) <= 30, served


def test_jobs_of_many_hosts_are_all_leased_under_a_limit(store: Store) -> None:
    """Nobody is forgotten while it is held back."""
    store.set_limits(Limits(every_key=2, per_host=1))
    store.enqueue(many(300, "a", hosts=150))
    done: set[str] = set()
    while len(done) < 300:
        lease = soon(store, 5)
        done.add(lease.id)
        ack(store, lease)
    assert counted(store) == {"done": 300}


def test_no_limit_is_exceeded_by_many_at_once(store: Store, other: Store) -> None:
    limits = Limits({"a": 2}, every_key=3, per_host=4)
    store.set_limits(limits)
    store.enqueue([NewJob(str(i), key="abc"[i % 3], host="xyz"[i // 3 % 3]) for i in range(300)])
    guard, held, worst, done = threading.Lock(), Counter[str](), Counter[str](), set[str]()

    def count(leases: list[Lease], step: int) -> None:
        with guard:
            for lease in leases:
                for name in (f"key {lease.key}", f"host {lease.host}"):
                    held[name] += step
                    worst[name] = max(worst[name], held[name])

    def work(mine: Store, seed: int) -> None:
        draw = random.Random(seed)
        while len(done) < 300:
            leases = mine.lease(draw.randint(1, 5), TTL)
            count(leases, 1)
            for lease in leases:
                count([lease], -1)
                if draw.random() < 0.2:
                    mine.release([lease.token])
                else:
                    ack(mine, lease)
                    done.add(lease.id)

    threads = [threading.Thread(target=work, args=((store, other)[i % 2], i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counted(store) == {"done": 300}
    assert worst["key a"] <= 2
    assert max(worst.values()) <= 4
    assert max(n for name, n in worst.items() if name.startswith("key")) <= 3


def test_a_limit_is_not_used_up_by_what_was_cancelled_or_enqueued_anew(store: Store) -> None:
    store.set_limits(Limits(every_key=1))
    add(store, "a", "b", key="k")
    for _ in range(3):
        lease = soon(store, 2)
        store.cancel([lease.id])
        add(store, f"after {lease.id}", key="k")
    until(lambda: store.lease(9, TTL))
    check_the_counts(store)
