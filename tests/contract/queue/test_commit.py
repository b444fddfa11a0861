"""A job's end, its result and its new jobs in one step."""

from __future__ import annotations

from enum import IntEnum

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import ENDED, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import TTL, add, check_the_counts, counted, end, job, lapsed, one


def test_end_result_and_new_jobs_come_together(store: Store) -> None:
    add(store, "a", key="k")
    links = [NewJob("b", '{"ü": 1}', 3, 0.0, "k2", "h2"), NewJob("c", delay=TTL)]
    assert store.commit(one(store).token, QueueState.DONE, result='{"n": 1}', new_jobs=links) == 2
    assert counted(store) == {"done": 1, "queued": 2, "delayed": 1}
    check_the_counts(store)
    assert (job(store, "a").state, job(store, "a").result) == (QueueState.DONE, '{"n": 1}')
    lease = one(store)
    assert (lease.id, lease.payload, lease.key, lease.host) == ("b", '{"ü": 1}', "k2", "h2")
    assert job(store, "b").priority == 3


@pytest.mark.parametrize("state", sorted(ENDED))
def test_a_job_may_be_committed_in_any_end(store: Store, state: QueueState) -> None:
    add(store, "a")
    assert store.commit(one(store).token, state, reason="why") == 0
    ended = job(store, "a")
    assert (ended.state, ended.reason, ended.result) == (state, "why", None)


class Urgency(IntEnum):
    """As people name their priorities."""

    HIGH = -10


def test_a_priority_may_have_a_name(store: Store) -> None:
    store.enqueue([NewJob("a", priority=Urgency.HIGH)])
    links = [NewJob("low"), NewJob("b", priority=Urgency.HIGH)]
    assert store.commit(one(store).token, QueueState.DONE, result="1", new_jobs=links) == 2
    assert (job(store, "a").state, job(store, "a").result) == (QueueState.DONE, "1")
    assert [job(store, name).priority for name in "ab"] == [-10, -10]
    assert one(store).id == "b"
    check_the_counts(store)


def test_known_ids_are_ignored_and_not_counted(store: Store) -> None:
    end(store, "done")
    add(store, "a")
    held = one(store)
    add(store, "queued", "held too")
    store.enqueue([NewJob("late", delay=TTL)])
    links = ["done", "queued", "held too", "late", "a", "new", "new"]
    new = [NewJob(name, '"other"') for name in links]
    assert store.commit(held.token, QueueState.DONE, new_jobs=new) == 1
    assert counted(store) == {"done": 2, "queued": 4, "delayed": 1}
    assert job(store, "queued").payload == "{}"
    check_the_counts(store)


@pytest.mark.parametrize("count", [999, 1000, 1001, 2300])
def test_many_new_jobs_all_arrive(store: Store, count: int) -> None:
    add(store, "a")
    links = [NewJob(str(number)) for number in range(count)]
    assert store.commit(one(store).token, QueueState.DONE, result="1", new_jobs=links) == count
    assert counted(store) == {"queued": count, "done": 1}
    assert job(store, "a").result == "1"


def test_without_the_current_token_nothing_is_written(store: Store) -> None:
    add(store, "a")
    (stale,) = lapsed(store)
    with pytest.raises(LeaseLost):
        store.commit(stale.token, QueueState.DONE, result="1", new_jobs=[NewJob("b")])
    held = one(store)
    with pytest.raises(LeaseLost):
        store.commit(stale.token, QueueState.DONE, result="1", new_jobs=[NewJob("b")])
    assert store.job("b") is None
    assert job(store, "a").result is None
    assert counted(store) == {"in_progress": 1}
    store.commit(held.token, QueueState.DONE, result="2")
    assert job(store, "a").result == "2"


def test_of_many_new_jobs_only_those_that_went_ahead_are_left_when_the_token_is_lost(
    store: Store,
) -> None:
    add(store, "a")
    (stale,) = lapsed(store)
    links = [NewJob(str(number)) for number in range(2300)]
    with pytest.raises(LeaseLost):
        store.commit(stale.token, QueueState.DONE, result="1", new_jobs=links)
    assert job(store, "a").state is QueueState.IN_PROGRESS
    assert store.stats().queued in {0, 1300, 2000}
    check_the_counts(store)
    held = one(store)
    while held.id != "a":
        held = one(store)
    store.commit(held.token, QueueState.DONE, new_jobs=links)
    assert store.stats().total == 2301


def test_a_new_job_is_there_when_the_old_one_is_done(store: Store, other: Store) -> None:
    """A queue that is worked off looks never empty while there is a chain of jobs."""
    add(store, "0")
    for number in range(1, 30):
        held = one(store if number % 2 else other)
        store.commit(held.token, QueueState.DONE, new_jobs=[NewJob(str(number))])
        assert other.stats().live == 1
