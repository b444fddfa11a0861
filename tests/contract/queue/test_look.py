"""What a store tells of its jobs."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from orchestrator.queue.model import ENDED, Attempt, Job, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import TTL, Place, add, every_job, job, one, until


def ids(jobs: list[Job]) -> list[str]:
    return [found.id for found in jobs]


def about_now(moment: float | None) -> bool:
    return moment is not None and abs(moment - time.time()) < 60


def test_of_an_unknown_job_there_is_nothing(store: Store) -> None:
    assert store.job("a") is None
    assert store.jobs() == []


def test_all_is_told_of_a_queued_job(store: Store) -> None:
    store.enqueue([NewJob("a", '{"ü": 1}', -3, 0.0, "k", "h")])
    queued = job(store, "a")
    assert about_now(queued.enqueued_at)
    assert queued == Job(
        "a", QueueState.QUEUED, '{"ü": 1}', "k", "h", -3, 0, enqueued_at=queued.enqueued_at
    )
    assert every_job(store) == [queued]


def test_of_a_delayed_job_it_is_told_when_it_is_due(store: Store) -> None:
    add(store, "a", delay=500)
    assert about_now((job(store, "a").not_before or 0) - 500)
    assert store.jobs() == [job(store, "a")]


def test_all_is_told_of_a_job_in_progress(store: Store) -> None:
    store.enqueue([NewJob("a", "[]", 3, 0.0, "k", "h")])
    one(store, worker="w1")
    held = job(store, "a")
    assert (held.state, held.attempts, held.reason) == (QueueState.IN_PROGRESS, 1, "")
    assert (held.payload, held.key, held.host, held.priority) == ("[]", "k", "h", 3)
    assert about_now((held.lease_until or 0) - TTL)
    assert (held.not_before, held.ended_at, held.result) == (None, None, None)
    assert held.history == (Attempt(held.history[0].at, "w1", ""),)
    assert about_now(held.history[0].at)
    assert every_job(store) == [held]


def test_all_is_told_of_a_job_that_waits_for_its_next_attempt(store: Store) -> None:
    add(store, "a")
    store.retry(one(store, worker="w1").token, "boom", 500)
    waiting = job(store, "a")
    assert (waiting.state, waiting.attempts, waiting.reason) == (QueueState.QUEUED, 1, "boom")
    assert about_now((waiting.not_before or 0) - 500)
    assert waiting.lease_until is None
    assert waiting.ended_at is None


@pytest.mark.parametrize("state", [QueueState.DONE, QueueState.SKIPPED, QueueState.ERROR])
def test_all_is_told_of_a_job_that_ended(store: Store, state: QueueState) -> None:
    store.enqueue([NewJob("a", "[]", 3, 0.0, "k", "h")])
    enqueued_at = job(store, "a").enqueued_at
    store.ack(one(store).token, state, reason="why", result='{"n": 1}')
    ended = job(store, "a")
    assert (ended.state, ended.attempts, ended.reason) == (state, 1, "why")
    assert (ended.payload, ended.key, ended.host, ended.priority) == ("[]", "k", "h", 3)
    assert (ended.result, ended.lease_until, ended.not_before) == ('{"n": 1}', None, None)
    assert ended.enqueued_at == enqueued_at
    assert about_now(ended.ended_at)
    assert every_job(store) == [ended]


def test_queued_jobs_are_told_by_when_they_are_due(store: Store) -> None:
    add(store, "third", delay=300)
    add(store, "second", delay=200)
    add(store, "fourth", delay=400)
    add(store, "first")
    told = store.jobs(state=QueueState.QUEUED)
    assert ids(told) == ["first", "second", "third", "fourth"]
    assert ids(store.jobs(state=QueueState.QUEUED, limit=2)) == ["first", "second"]


@pytest.mark.parametrize("state", [QueueState.DONE, QueueState.SKIPPED, QueueState.ERROR])
def test_jobs_that_ended_are_told_the_newest_first(store: Store, state: QueueState) -> None:
    add(store, "a", "b", "c", "d")
    for lease in sorted(store.lease(4, TTL), key=lambda lease: "cadb".index(lease.id)):
        store.ack(lease.token, state)
        began = time.time()
        until(lambda began=began: time.time() > began + 0.002)
    assert ids(store.jobs(state=state)) == ["b", "d", "a", "c"]
    assert ids(store.jobs(state=state, limit=2)) == ["b", "d"]


def test_jobs_in_progress_are_told_the_newest_first(store: Store) -> None:
    add(store, "a", "b", "c")
    for _ in "abc":
        one(store)
        began = time.time()
        until(lambda began=began: time.time() > began + 0.002)
    assert ids(store.jobs(state=QueueState.IN_PROGRESS)) == ["c", "b", "a"]
    assert ids(store.jobs(state=QueueState.IN_PROGRESS, limit=1)) == ["c"]


def test_jobs_are_told_by_state_and_key(store: Store) -> None:
    for number in range(30):
        add(store, str(number), key="ab"[number % 2], priority=number // 15)
    for lease in store.lease(15, TTL)[:10]:
        store.ack(lease.token, QueueState.DONE)
    add(store, "no key")
    all_of_a = {str(number) for number in range(0, 30, 2)}
    assert set(ids(store.jobs(key="a"))) == all_of_a
    assert set(ids(store.jobs())) == {*map(str, range(30)), "no key"}
    sizes = {}
    for state in (QueueState.QUEUED, QueueState.IN_PROGRESS, QueueState.DONE):
        told = store.jobs(state=state, key="a")
        assert {found.state for found in told} == {state}
        assert set(ids(told)) <= all_of_a
        sizes[str(state)] = len(told)
    assert sum(sizes.values()) == len(all_of_a)
    assert sizes.items() <= store.stats().by_key["a"].items()
    assert store.jobs(key="nobody") == store.jobs(state=QueueState.ERROR) == []
    assert len(store.jobs(key="a", limit=4)) == 4
    assert store.jobs(limit=0) == []


def test_no_more_than_a_hundred_are_told_unless_more_are_wanted(store: Store) -> None:
    store.enqueue([NewJob(str(number)) for number in range(2500)])
    assert len(store.jobs()) == 100
    assert len(store.jobs(state=QueueState.QUEUED)) == 100
    assert len({found.id for found in store.jobs(limit=5000)}) == 2500


def paged(store: Store, size: int, **which: Any) -> list[str]:
    """What is told page by page."""
    found = ids(store.jobs(limit=size, **which))
    while page := ids(store.jobs(limit=size, after=found[-1], **which)):
        assert len(page) <= size
        found += page
    return found


@pytest.fixture
def mixed(store: Store) -> Store:
    """Jobs of all states, of two keys and of several hosts, some of them delayed."""
    ready = [
        NewJob(str(n), key="kl"[n % 2], host=f"h{n % 5}", priority=-(n < 40)) for n in range(60)
    ]
    delayed = [NewJob(str(n), key="k", delay=TTL * n) for n in range(60, 70)]
    store.enqueue([*ready, *delayed])
    held = store.lease(40, TTL)
    with store.together():
        for number, lease in enumerate(held[:30]):
            store.ack(lease.token, sorted(ENDED)[number % 3])
    return store


@pytest.mark.parametrize("size", [1, 3, 7, 100])
@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("state", [None, *QueueState])
def test_a_list_goes_on_behind_a_job(
    mixed: Store, state: QueueState | None, key: str | None, size: int
) -> None:
    whole = ids(mixed.jobs(state=state, key=key))
    assert len(whole) >= 4
    assert paged(mixed, size, state=state, key=key) == whole


def test_behind_a_job_that_is_not_in_the_list_there_is_nothing_to_tell(mixed: Store) -> None:
    done = mixed.jobs(state=QueueState.DONE)[0].id
    for after, state, told in (
        ("unknown", None, "there is no job 'unknown'"),
        ("unknown", QueueState.QUEUED, "there is no job 'unknown'"),
        (done, QueueState.QUEUED, f"the job '{done}' is done, and not in this list"),
    ):
        with pytest.raises(ValueError, match=told):
            mixed.jobs(state=state, after=after)


def test_a_list_of_many_lanes_leaves_none_out(store: Store) -> None:
    """Each has a host of its own; the last ones came first."""
    hosts = [f"h{number:04}" for number in reversed(range(1500))]
    store.enqueue([NewJob(host, host=host) for host in hosts])
    told = paged(store, 400, state=QueueState.QUEUED)
    assert sorted(told) == sorted(hosts)


def test_each_job_is_told_once(mixed: Store) -> None:
    everything = {found.id: found for found in every_job(mixed)}
    told = list(mixed.every())
    assert {found.id: found for found in told} == everything
    assert len(told) == len(everything) == 70
    for state in QueueState:
        for key in (None, "k", "none"):
            wanted = [
                found
                for found in everything.values()
                if found.state is state and key in (None, found.key)
            ]
            found = list(mixed.every(state=state, key=key))
            assert sorted(ids(found)) == sorted(ids(wanted))


def test_of_an_empty_queue_no_job_is_told(store: Store) -> None:
    assert list(store.every()) == []


def test_each_job_is_told_once_while_all_of_them_move(store: Store, other: Store) -> None:
    """None is missed for having ended, and none is told in both of its states."""
    store.enqueue([NewJob(str(number), '"%s"' % ("x" * 3000)) for number in range(2500)])
    told = []
    for number, found in enumerate(store.every()):
        told.append(found.id)
        if number % 250 == 0:
            for lease in other.lease(250, TTL):
                other.ack(lease.token, QueueState.DONE)
    assert len(told) == 2500
    assert len({*told}) == 2500


def test_large_jobs_are_told_a_few_at_a_time(store: Store, queue_place: Place) -> None:
    """All of them would not fit into memory."""
    size = 1_000_000
    for number in range(40):
        add(store, str(number), payload='"%s"' % ("x" * size))
    tracemalloc.start()
    try:
        seen = sum(len(found.payload) > size for found in store.every())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == 40
    assert peak < 25 * size


def test_nothing_is_open_while_somebody_looks_at_a_job(store: Store, other: Store) -> None:
    store.enqueue([NewJob(str(number)) for number in range(3000)])
    walk = store.every()
    next(walk)
    assert len(other.lease(3000, TTL)) == 3000
    store.close()
    assert len({found.id for found in walk}) == 2999
