"""Leases that run out, attempts, and the history of a job."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from orchestrator.queue.model import HISTORY, Attempt, NewJob, OnConflict, QueueState
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


def told(store: Store, job_id: str = "a") -> list[tuple[str, str]]:
    """(worker, error) of each attempt that is remembered."""
    return [(attempt.worker, attempt.error) for attempt in job(store, job_id).history]


def test_a_lease_that_ran_out_goes_to_the_next_and_counts_as_an_attempt(
    store: Store, other: Store
) -> None:
    add(store, "a")
    lapsed(store)
    second = one(other)
    assert (second.id, second.attempt) == ("a", 2)
    other.ack(second.token, QueueState.DONE)
    assert counted(store) == {"done": 1}


def test_a_lease_is_not_taken_back_before_it_ran_out(store: Store) -> None:
    add(store, "a")
    held = one(store)
    until(lambda: (job(store, "a").lease_until or 0) < time.time() + TTL - 0.2)
    assert store.lease(1, TTL) == []
    store.ack(held.token, QueueState.DONE)


def test_a_lease_that_is_extended_again_and_again_does_not_run_out(
    store: Store, other: Store
) -> None:
    """Half a second of a job, with leases of a fifth; again, when the machine stood still meanwhile."""
    tries = (held_for_long(store, other, str(number)) for number in range(20))
    assert any(tries)


def held_for_long(store: Store, other: Store, job_id: str) -> bool:
    """Whether we came to the heartbeats in time; if so nothing may be lost."""
    add(store, job_id)
    leases, began = store.lease(1, 0.2), time.monotonic()
    lost, stolen, asked = [], [], began
    while time.monotonic() < began + 0.5:
        lost += store.heartbeat([leases[0].token], 0.2)
        stolen += other.lease(1, TTL)
        if time.monotonic() - asked > 0.15:
            other.cancel([job_id])
            return False
        asked = time.monotonic()
        time.sleep(0.02)
    assert not lost
    assert not stolen
    store.ack(leases[0].token, QueueState.DONE)
    return True


def test_hundreds_of_leases_that_ran_out_all_come_back(store: Store) -> None:
    """More than one call takes back."""
    add(store, *map(str, range(500)))
    lapsed(store, 500)
    taken: set[str] = set()

    def all_taken() -> bool:
        leases = store.lease(100, TTL)
        assert all(lease.attempt == 2 for lease in leases)
        taken.update(lease.id for lease in leases)
        return len(taken) == 500

    until(all_taken)
    assert counted(store) == {"in_progress": 500}


@pytest.mark.parametrize("most", [1, 3])
def test_a_job_whose_leases_ran_out_too_often_ends_as_error_with_the_reason(
    store: Store, most: int
) -> None:
    add(store, "a", key="k")
    for attempt in range(1, most + 1):
        assert lapsed(store, max_attempts=most)[0].attempt == attempt
    assert store.lease(1, TTL, max_attempts=most) == []
    ended = job(store, "a")
    assert (ended.state, ended.attempts) == (QueueState.ERROR, most)
    assert "ran out" in ended.reason
    assert ended.ended_at
    assert counted(store) == {"error": 1}
    check_the_counts(store)


def test_attempts_that_failed_and_leases_that_ran_out_count_together(store: Store) -> None:
    add(store, "a")
    store.retry(one(store).token, "connection reset", 0)
    lapsed(store)
    store.retry(one(store).token, "timed out", 0)
    lapsed(store, max_attempts=4)
    assert store.lease(0, TTL, max_attempts=4) == []
    ended = job(store, "a")
    assert (ended.state, ended.attempts) == (QueueState.ERROR, 4)
    assert "ran out" in ended.reason


def test_a_retry_is_never_refused_for_its_attempts(store: Store) -> None:
    """Whether to try again is for the policy to decide; the store ends what nobody decides on."""
    add(store, "a")
    for attempt in range(1, 6):
        lease = one(store, max_attempts=2)
        assert lease.attempt == attempt
        store.retry(lease.token, "boom", 0)


def test_the_history_tells_who_tried_when_and_how_it_failed(store: Store) -> None:
    add(store, "a")
    assert job(store, "a").history == ()
    began = time.time()
    store.retry(one(store, worker="w1").token, "connection reset: größer", 0)
    lapsed(store, worker="w2")
    held = one(store, worker="w3")
    first, second, third = told(store)
    assert first == ("w1", "connection reset: größer")
    assert second[0] == "w2"
    assert "ran out" in second[1]
    assert third == ("w3", "")
    assert job(store, "a").attempts == 3
    store.ack(held.token, QueueState.DONE)
    assert told(store) == [first, second, third]
    times = [attempt.at for attempt in job(store, "a").history]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert began - 5 < times[0] <= times[-1] < time.time() + 5


def test_the_last_error_is_part_of_the_history(store: Store) -> None:
    add(store, "a")
    store.retry(one(store, worker="w1").token, "first", 0)
    store.ack(one(store, worker="w2").token, QueueState.ERROR, reason="second")
    assert told(store) == [("w1", "first"), ("w2", "second")]
    assert job(store, "a").reason == "second"


def test_the_history_tells_of_a_job_that_ended_by_a_lease_that_ran_out(store: Store) -> None:
    add(store, "a")
    lapsed(store, max_attempts=1, worker="w1")
    store.lease(0, TTL, max_attempts=1)
    ((worker, error),) = told(store)
    assert worker == "w1"
    assert "ran out" in error


def test_what_was_given_back_unstarted_is_no_attempt_of_the_history(store: Store) -> None:
    add(store, "a")
    store.retry(one(store, worker="w1").token, "boom", 0)
    store.release([one(store, worker="w2").token])
    assert told(store) == [("w1", "boom")]
    assert job(store, "a").attempts == 1


def test_only_the_last_attempts_are_remembered(store: Store) -> None:
    add(store, "a")
    for number in range(HISTORY + 5):
        store.retry(one(store, worker=f"w{number}").token, f"boom {number}", 0)
    assert told(store) == [(f"w{n}", f"boom {n}") for n in range(5, HISTORY + 5)]
    one(store, worker="last")
    assert told(store) == [(f"w{n}", f"boom {n}") for n in range(6, HISTORY + 5)] + [("last", "")]
    assert job(store, "a").attempts == HISTORY + 6


def test_the_history_goes_on_when_a_job_is_queued_anew(store: Store) -> None:
    end(store, "a", QueueState.ERROR, reason="first")
    store.enqueue([NewJob("a")], OnConflict.REQUEUE)
    store.retry(one(store).token, "second", 0)
    store.ack(one(store).token, QueueState.ERROR, reason="third")
    store.retry_failed()
    store.ack(one(store, worker="w").token, QueueState.DONE)
    assert [error for _, error in told(store)] == ["first", "second", "third", ""]


def test_a_history_with_odd_words_is_kept_as_it_is(store: Store) -> None:
    odd = 'a|b;c,d "e" \'f\' \\n {"g": [1]}\n\ttab ü 漢 % \x1f 🎉'
    add(store, "a")
    store.retry(one(store, worker=odd).token, odd, 0)
    assert told(store) == [(odd, odd)]
    assert isinstance(job(store, "a").history[0], Attempt)
    store.ack(one(store, worker=odd).token, QueueState.ERROR, reason=odd)
    assert job(store, "a").reason == odd


def test_a_delay_and_a_lease_that_are_over_are_taken_back_by_the_same_call(store: Store) -> None:
    add(store, "a")
    lapsed(store)
    add(store, "b", delay=BRIEF)
    assert {soon(store).id, soon(store).id} == {"a", "b"}
