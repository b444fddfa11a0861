"""Who is served first: priority, then the keys by turns, then their hosts, then order of arrival."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from orchestrator.queue.model import MAX_PRIORITY, Lease, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import TTL, add, lapsed, many, one

AT_ONCE = pytest.mark.parametrize("n", [1, 10])


def served(store: Store, total: int, n: int) -> list[Lease]:
    """Take `total` jobs, `n` by `n`."""
    leases: list[Lease] = []
    while len(leases) < total:
        leases += (more := store.lease(n, TTL))
        assert more
    return leases


def shares(leases: list[Lease]) -> Counter[str]:
    return Counter(lease.key for lease in leases)


def test_lower_priority_goes_first_and_then_the_order_of_arrival(store: Store) -> None:
    add(store, "late", priority=2)
    add(store, "x", "y")
    add(store, "first", priority=-MAX_PRIORITY)
    add(store, "last", priority=MAX_PRIORITY)
    assert [lease.id for lease in store.lease(9, TTL)] == ["first", "x", "y", "late", "last"]


@AT_ONCE
def test_a_lower_priority_goes_strictly_first(store: Store, n: int) -> None:
    """Whatever turns the keys have had."""
    store.enqueue(many(40, "low", hosts=4, priority=1))
    served(store, 10, n)
    store.enqueue(many(30, "high", hosts=3))
    store.enqueue(many(30, "low2", hosts=3))
    store.enqueue(many(30, "highest", hosts=3, priority=-1))
    keys = [lease.key for lease in served(store, 120, n)]
    assert set(keys[:30]) == {"highest"}
    assert set(keys[30:90]) == {"high", "low2"}
    assert set(keys[90:]) == {"low"}


@AT_ONCE
def test_within_key_and_host_the_first_to_come_is_the_first_served(store: Store, n: int) -> None:
    jobs = [
        NewJob(f"{key}{host}{number:02}", key=key, host=host)
        for number in range(20)
        for key in "ab"
        for host in "xy"
    ]
    for start in range(0, len(jobs), 7):
        store.enqueue(jobs[start : start + 7])
    ids = [lease.id for lease in served(store, len(jobs), n)]
    for lane in ("ax", "ay", "bx", "by"):
        of_lane = [job_id for job_id in ids if job_id.startswith(lane)]
        assert of_lane == sorted(of_lane)


@AT_ONCE
@pytest.mark.parametrize("hosts", [1, 50])
def test_a_key_with_much_gets_no_more_than_one_with_little(
    store: Store, n: int, hosts: int
) -> None:
    store.enqueue(many(1000, "big", hosts))
    store.enqueue(many(100, "small"))
    assert 45 <= shares(served(store, 100, n))["small"] <= 55


@AT_ONCE
def test_all_keys_get_the_same_share_whatever_they_have(store: Store, n: int) -> None:
    sizes = {"a": (500, 1), "b": (500, 25), "c": (60, 1), "d": (60, 60), "": (300, 5)}
    for key, (count, hosts) in sizes.items():
        store.enqueue(many(count, key, hosts))
    parts = shares(served(store, 200, n))
    assert all(32 <= parts[key] <= 48 for key in sizes), parts


@AT_ONCE
@pytest.mark.parametrize("hosts", [1, 50])
def test_who_comes_late_gets_its_share_and_nothing_for_the_time_before(
    store: Store, n: int, hosts: int
) -> None:
    store.enqueue(many(1000, "big", hosts))
    served(store, 300, n)
    store.enqueue(many(100, "small"))
    assert 40 <= shares(served(store, 100, n))["small"] <= 60


@AT_ONCE
def test_who_paused_gets_its_share_and_nothing_for_the_pause(store: Store, n: int) -> None:
    store.enqueue(many(20, "small"))
    store.enqueue(many(1000, "big", hosts=20))
    served(store, 300, n)
    store.enqueue([NewJob(f"again-{number}", key="small") for number in range(100)])
    assert 40 <= shares(served(store, 100, n))["small"] <= 60


def test_who_has_one_job_at_a_time_gets_its_turn_each_time(store: Store) -> None:
    store.enqueue(many(1000, "big", hosts=10))
    taken: Counter[str] = Counter()
    for number in range(100):
        add(store, f"drop-{number}", key="small")
        taken[one(store).key] += 1
    assert 40 <= taken["small"] <= 60


def test_many_hosts_that_come_one_by_one_take_no_turn_of_others(store: Store) -> None:
    """A lane that is new each time must not be served each time."""
    store.enqueue(many(1000, "small"))
    taken: Counter[str] = Counter()
    for number in range(200):
        store.enqueue([NewJob(f"{number}-{i}", key="big", host=f"{number}-{i}") for i in range(3)])
        taken[one(store).key] += 1
    assert 80 <= taken["small"] <= 120


@AT_ONCE
@pytest.mark.parametrize("key", ["", "key"])
def test_the_hosts_of_a_key_take_turns(store: Store, n: int, key: str) -> None:
    store.enqueue([NewJob(f"a{number}", key=key, host="a") for number in range(500)])
    store.enqueue([NewJob(f"b{number}", key=key, host="b") for number in range(50)])
    hosts = Counter(lease.host for lease in served(store, 60, n))
    assert 24 <= hosts["b"] <= 36


@AT_ONCE
def test_the_keys_take_turns_within_each_priority(store: Store, n: int) -> None:
    for priority in (0, 1):
        for key, hosts in (("big", 10), ("small", 1)):
            jobs = many(100, key, hosts, priority=priority)
            store.enqueue([replace(job, id=f"{priority}-{job.id}") for job in jobs])
    leases = served(store, 300, n)
    assert 70 <= shares(leases[:160])["small"] <= 90
    assert 40 <= shares(leases[200:])["small"] <= 60


def test_a_call_for_several_spreads_over_the_keys(store: Store) -> None:
    for key in "abcde":
        store.enqueue(many(50, key))
    assert shares(store.lease(10, TTL)) == Counter(dict.fromkeys("abcde", 2))


@AT_ONCE
def test_shares_stay_even_while_jobs_end_fail_and_come_back(store: Store, n: int) -> None:
    store.enqueue(many(600, "big", hosts=30))
    store.enqueue(many(600, "small"))
    taken: Counter[str] = Counter()
    for turn in range(120 // n):
        for lease in store.lease(n, TTL):
            taken[lease.key] += 1
            if turn % 3:
                store.ack(lease.token, QueueState.DONE)
            else:
                store.retry(lease.token, "boom", 0)
    assert 0.85 <= taken["small"] / taken["big"] <= 1.15


def test_what_is_released_comes_first_again_and_no_attempt_is_counted(store: Store) -> None:
    add(store, "a", "b", "c", "d")
    leases = store.lease(2, TTL)
    assert store.release([lease.token for lease in leases]) == []
    assert [(lease.id, lease.attempt) for lease in store.lease(9, TTL)] == [
        ("a", 1),
        ("b", 1),
        ("c", 1),
        ("d", 1),
    ]


def test_what_is_released_comes_before_what_came_in_between(store: Store) -> None:
    add(store, "a", "b", key="k", host="h")
    leases = store.lease(2, TTL)
    add(store, "c", key="k", host="h")
    store.release([lease.token for lease in leases])
    assert [lease.id for lease in store.lease(9, TTL)] == ["a", "b", "c"]


def test_a_retried_job_and_one_whose_lease_ran_out_come_again_at_all(store: Store) -> None:
    add(store, "a", "b", "c")
    store.retry(one(store).token, "boom", 0)
    lapsed(store)
    assert sorted(lease.id for lease in store.lease(9, TTL)) == ["a", "b", "c"]
