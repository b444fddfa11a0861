"""What becomes of a job that is enqueued, new or known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from typing import Any

import pytest

from orchestrator.queue.model import ENDED, KEPT, NewJob, OnConflict, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import (
    BRIEF,
    TTL,
    add,
    check_the_counts,
    counted,
    end,
    job,
    lapsed,
    one,
    soon,
    until,
)

#: The same id with everything else different.
CHANGED = NewJob("a", '{"new": 1}', priority=5, key="k2", host="h2")
KNOWN = NewJob("a", priority=-3, key="k", host="h")


def queued(store: Store) -> None:
    add(store, "a", key="k", host="h")


def delayed(store: Store) -> None:
    add(store, "a", key="k", host="h", delay=TTL)


def waiting_for_a_retry(store: Store) -> None:
    queued(store)
    store.retry(one(store).token, "boom", TTL)


def in_progress(store: Store) -> None:
    queued(store)
    one(store)


def ended(state: QueueState) -> Callable[[Store], None]:
    def prepare(store: Store) -> None:
        queued(store)
        store.retry(one(store).token, "boom", 0)
        store.ack(one(store).token, state, reason="why", result="1")

    return prepare


WAITING = [queued, delayed, waiting_for_a_retry]
ENDS = [pytest.param(ended(state), id=str(state)) for state in sorted(ENDED)]


def test_it_says_how_many_were_new(store: Store) -> None:
    assert store.enqueue([NewJob("a"), NewJob("b"), NewJob("a", "[]")]) == 2
    assert store.enqueue([NewJob("b", "[]"), NewJob("c")]) == 1
    assert store.enqueue([]) == 0
    assert [lease.payload for lease in store.lease(9, TTL)] == ["{}"] * 3


def test_of_an_id_that_comes_twice_the_second_is_known(store: Store) -> None:
    twice = [NewJob("a", "1"), NewJob("a", "2", delay=TTL), NewJob("a", "3")]
    assert store.enqueue(twice, OnConflict.REQUEUE) == 1
    assert counted(store) == {"queued": 1}
    assert one(store).payload == "3"


@pytest.mark.parametrize("policy", OnConflict)
def test_many_jobs_arrive_in_one_call(store: Store, policy: OnConflict) -> None:
    jobs = [NewJob(str(number), key=str(number % 7)) for number in range(2500)]
    assert store.enqueue(jobs, policy) == 2500
    assert store.enqueue([*jobs, NewJob("one more")], policy) == 1
    check_the_counts(store)
    assert store.stats().queued == 2501


@pytest.mark.parametrize("prepare", [*WAITING, in_progress, *ENDS])
def test_a_known_job_is_left_as_it_is(store: Store, prepare: Callable[[Store], None]) -> None:
    prepare(store)
    before = job(store, "a")
    assert store.enqueue([CHANGED]) == 0
    assert store.enqueue([CHANGED], OnConflict.IGNORE) == 0
    assert job(store, "a") == before
    check_the_counts(store)


@pytest.mark.parametrize("policy", [OnConflict.UPDATE, OnConflict.REQUEUE])
@pytest.mark.parametrize("prepare", WAITING)
def test_a_queued_job_is_updated_and_not_counted_as_new(
    store: Store, prepare: Callable[[Store], None], policy: OnConflict
) -> None:
    prepare(store)
    attempts = job(store, "a").attempts

    assert store.enqueue([CHANGED], policy) == 0

    after = job(store, "a")
    assert (after.payload, after.priority, after.key, after.host) == ('{"new": 1}', 5, "k2", "h2")
    assert after.not_before is None
    assert after.attempts == attempts
    assert counted(store) == {"queued": 1}
    check_the_counts(store)
    lease = one(store)
    assert (lease.id, lease.payload, lease.key, lease.host) == ("a", '{"new": 1}', "k2", "h2")
    assert store.lease(1, TTL) == []


@pytest.mark.parametrize("size", [9, 5000])
@pytest.mark.parametrize("prepare", [*WAITING, *ENDS])
def test_what_is_to_be_kept_of_a_known_job_stays_as_it_is(
    store: Store, prepare: Callable[[Store], None], size: int
) -> None:
    prepare(store)
    before = f'"{"x" * size}"'
    store.enqueue([replace(KNOWN, payload=before, keep=("delay",))], OnConflict.REQUEUE)
    known = job(store, "a")
    assert (known.payload, known.priority, known.key, known.host) == (before, -3, "k", "h")

    for name, value in (
        ("priority", 5),
        ("key", "k2"),
        ("host", "h2"),
        ("payload", CHANGED.payload),
    ):
        keep = tuple(KEPT - {name})
        assert store.enqueue([replace(CHANGED, keep=keep, delay=TTL)], OnConflict.UPDATE) == 0
        after = job(store, "a")
        assert after == replace(known, **{name: value})
        known = after
        check_the_counts(store)
    keep = tuple(KEPT - {"delay"})
    store.enqueue([NewJob("a", keep=keep)], OnConflict.UPDATE)
    assert job(store, "a") == replace(known, not_before=None)
    lease = one(store)
    assert (lease.payload, lease.key, lease.host) == (CHANGED.payload, "k2", "h2")
    store.ack(lease.token, QueueState.DONE)
    assert store.enqueue([NewJob("a", delay=TTL, keep=tuple(KEPT))], OnConflict.REQUEUE) == 1
    check_the_counts(store)
    lease = one(store)
    assert (lease.payload, lease.key, lease.host) == (CHANGED.payload, "k2", "h2")
    assert job(store, "a").priority == 5


def test_a_new_job_has_nothing_to_keep(store: Store) -> None:
    new = replace(CHANGED, keep=tuple(KEPT))
    assert store.enqueue([new], OnConflict.UPDATE) == 1
    assert job(store, "a").priority == 5
    assert one(store).payload == CHANGED.payload


@pytest.mark.parametrize("policy", [OnConflict.UPDATE, OnConflict.REQUEUE])
def test_a_job_that_keeps_its_place_keeps_its_turn(store: Store, policy: OnConflict) -> None:
    add(store, "a", "b", key="k")
    keep = tuple(KEPT - {"payload"})
    store.enqueue([NewJob("a", "[1]", keep=keep)], policy)
    assert [(lease.id, lease.payload) for lease in store.lease(2, TTL)] == [
        ("a", "[1]"),
        ("b", "{}"),
    ]


@pytest.mark.parametrize("policy", [OnConflict.UPDATE, OnConflict.REQUEUE])
def test_a_ready_job_that_is_updated_with_a_delay_waits(store: Store, policy: OnConflict) -> None:
    queued(store)
    store.enqueue([NewJob("a", key="k", host="h", delay=TTL)], policy)
    assert store.lease(1, TTL) == []
    assert counted(store) == {"queued": 1, "delayed": 1}
    store.enqueue([NewJob("a", delay=BRIEF)], policy)
    assert soon(store).id == "a"


@pytest.mark.parametrize("policy", OnConflict)
def test_a_job_in_progress_is_left_alone(store: Store, policy: OnConflict) -> None:
    queued(store)
    lease = one(store)
    before = job(store, "a")
    assert store.enqueue([CHANGED], policy) == 0
    assert job(store, "a") == before
    store.ack(lease.token, QueueState.DONE)
    assert counted(store) == {"done": 1}


@pytest.mark.parametrize("policy", OnConflict)
def test_a_job_whose_lease_ran_out_is_in_progress_still(store: Store, policy: OnConflict) -> None:
    queued(store)
    lapsed(store)
    assert store.enqueue([CHANGED], policy) == 0
    assert (one(store).payload, job(store, "a").attempts) == ("{}", 2)


@pytest.mark.parametrize("prepare", ENDS)
def test_an_ended_job_is_not_updated(store: Store, prepare: Callable[[Store], None]) -> None:
    prepare(store)
    before = job(store, "a")
    assert store.enqueue([CHANGED], OnConflict.UPDATE) == 0
    assert job(store, "a") == before
    assert store.lease(1, TTL) == []


@pytest.mark.parametrize("prepare", ENDS)
def test_an_ended_job_is_queued_anew_from_its_beginning(
    store: Store, prepare: Callable[[Store], None]
) -> None:
    prepare(store)
    history = job(store, "a").history

    assert store.enqueue([CHANGED], OnConflict.REQUEUE) == 1

    after = job(store, "a")
    assert (after.state, after.attempts) == (QueueState.QUEUED, 0)
    assert (after.payload, after.priority, after.key, after.host) == ('{"new": 1}', 5, "k2", "h2")
    assert (after.reason, after.result, after.ended_at) == ("", None, None)
    assert after.history == history
    assert counted(store) == {"queued": 1}
    check_the_counts(store)
    assert one(store).attempt == 1


def test_a_job_that_is_queued_anew_waits_for_its_delay(store: Store) -> None:
    end(store, "a")
    assert store.enqueue([NewJob("a", delay=TTL)], OnConflict.REQUEUE) == 1
    assert counted(store) == {"queued": 1, "delayed": 1}
    assert store.lease(1, TTL) == []


def test_an_old_token_does_not_end_a_job_that_is_queued_anew(store: Store) -> None:
    old = end(store, "a")
    store.enqueue([NewJob("a")], OnConflict.REQUEUE)
    new = one(store)
    assert old.token != new.token
    assert store.heartbeat([old.token, new.token], TTL) == [old.token]


def test_a_delayed_job_is_queued_and_not_leased_before_its_time(store: Store) -> None:
    add(store, "later", delay=TTL)
    add(store, "soon", delay=BRIEF)
    assert store.stats().queued == 2
    assert soon(store).id == "soon"
    assert store.lease(9, TTL) == []
    assert counted(store) == {"queued": 1, "delayed": 1, "in_progress": 1}


def test_hundreds_of_delayed_jobs_become_ready(store: Store) -> None:
    """More than one lease looks at."""
    store.enqueue([NewJob(str(number), delay=BRIEF) for number in range(500)])
    taken: set[str] = set()

    def all_taken() -> bool:
        taken.update(lease.id for lease in store.lease(200, TTL))
        return len(taken) == 500

    until(all_taken)
    assert counted(store) == {"in_progress": 500}


class Urgency(IntEnum):
    """As people name their priorities."""

    HIGH = -10


def test_a_priority_with_a_name_is_its_number(store: Store) -> None:
    store.enqueue([NewJob("plain"), NewJob("named", priority=Urgency.HIGH)])
    assert type(NewJob("named", priority=Urgency.HIGH).priority) is int
    assert (one(store).id, job(store, "named").priority) == ("named", -10)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"priority": True}, "priority must be a whole number from -4000 to 4000, not True"),
        ({"priority": 1.0}, "priority must be a whole number from -4000 to 4000, not 1.0"),
        ({"priority": "1"}, "priority must be a whole number from -4000 to 4000, not '1'"),
        ({"payload": b"{}"}, r"payload must be text \(JSON\), not b'{}'"),
        ({"payload": ["{}"]}, r"payload must be text \(JSON\), not \['{}'\]"),
        ({"keep": ("id",)}, r"keep can name delay, host, key, payload, priority, not \('id',\)"),
    ],
)
def test_what_is_no_number_or_no_text_makes_no_job(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NewJob("a", **fields)
