"""What people do with jobs: cancel, try again, forget."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import ENDED, Limits, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import (
    TTL,
    add,
    check_the_counts,
    counted,
    end,
    forget,
    job,
    lapsed,
    one,
    soon,
    until,
)


def fail(store: Store, job_id: str, reason: str = "boom", key: str = "") -> None:
    """End a job as error, later than the one before."""
    add(store, job_id, key=key)
    store.ack(one(store).token, QueueState.ERROR, reason=reason)
    ended = job(store, job_id).ended_at or 0
    until(lambda: time.time() > ended + 0.002)


def test_what_is_queued_or_in_progress_is_cancelled(store: Store) -> None:
    add(store, "held", key="k", host="h")
    one(store)
    add(store, "ready", key="k", host="h")
    add(store, "late", delay=TTL)
    assert store.cancel(["held", "ready", "late", "unknown", "ready"], "not needed") == 3
    for name in ("held", "ready", "late"):
        cancelled = job(store, name)
        assert (cancelled.state, cancelled.reason) == (QueueState.SKIPPED, "not needed")
        assert cancelled.ended_at
        assert (cancelled.lease_until, cancelled.not_before) == (None, None)
    assert counted(store) == {"skipped": 3}
    assert store.lease(9, TTL) == []
    assert store.next_at() is None
    check_the_counts(store)


def test_the_reason_says_that_it_was_cancelled(store: Store) -> None:
    add(store, "a")
    assert store.cancel(iter(["a"])) == 1
    assert job(store, "a").reason == "cancelled"
    assert store.cancel([]) == 0


def test_the_holder_of_a_cancelled_job_has_lost_its_lease(store: Store, other: Store) -> None:
    add(store, "a")
    token = one(store).token
    assert other.cancel(["a"]) == 1
    assert store.heartbeat([token], TTL) == [token]
    with pytest.raises(LeaseLost):
        store.ack(token, QueueState.DONE)
    with pytest.raises(LeaseLost):
        store.commit(token, QueueState.DONE, new_jobs=[NewJob("b")])
    assert counted(store) == {"skipped": 1}


@pytest.mark.parametrize("state", sorted(ENDED))
def test_what_has_ended_is_not_cancelled(store: Store, state: QueueState) -> None:
    end(store, "a", state, reason="before")
    assert store.cancel(["a"]) == 0
    assert (job(store, "a").state, job(store, "a").reason) == (state, "before")


def test_a_job_whose_lease_ran_out_is_cancelled(store: Store) -> None:
    add(store, "a")
    lapsed(store)
    assert store.cancel(["a"]) == 1
    assert counted(store) == {"skipped": 1}
    assert store.lease(1, TTL) == []


def test_thousands_are_cancelled(store: Store) -> None:
    store.enqueue([NewJob(str(number)) for number in range(2500)])
    assert store.cancel(str(number) for number in range(2400)) == 2400
    assert counted(store) == {"queued": 100, "skipped": 2400}
    assert {lease.id for lease in store.lease(200, TTL)} == {str(n) for n in range(2400, 2500)}


def test_what_failed_is_queued_anew_from_its_beginning(store: Store) -> None:
    end(store, "done")
    end(store, "skipped", QueueState.SKIPPED)
    add(store, "a", priority=3, key="k", host="h")
    for _ in range(3):
        lapsed(store)
    store.lease(0, TTL)
    assert counted(store) == {"error": 1, "done": 1, "skipped": 1}
    history = job(store, "a").history
    assert store.retry_failed() == ["a"]
    again = job(store, "a")
    assert (again.state, again.attempts) == (QueueState.QUEUED, 0)
    assert (again.reason, again.result, again.ended_at) == ("", None, None)
    assert again.history == history
    check_the_counts(store)
    lease = one(store)
    assert (lease.id, lease.attempt, lease.key, lease.host) == ("a", 1, "k", "h")
    assert store.retry_failed() == []


def test_the_oldest_failures_come_first(store: Store) -> None:
    for name in "cab":
        fail(store, name)
    assert store.retry_failed(dry_run=True) == ["c", "a", "b"]
    assert store.retry_failed(limit=2) == ["c", "a"]
    assert [lease.id for lease in store.lease(9, TTL)] == ["c", "a"]
    assert store.retry_failed(limit=0) == []
    assert store.retry_failed(limit=9) == ["b"]


def test_a_dry_run_changes_nothing(store: Store) -> None:
    fail(store, "a")
    before = job(store, "a")
    assert store.retry_failed(dry_run=True) == store.retry_failed(dry_run=True) == ["a"]
    assert job(store, "a") == before
    assert counted(store) == {"error": 1}


@pytest.mark.parametrize("dry_run", [True, False])
def test_failures_are_chosen_by_key_and_reason(store: Store, dry_run: bool) -> None:
    fail(store, "a", "HTTP 500 at X.example", "x")
    fail(store, "b", "http 503", "y")
    fail(store, "c", "timed out", "x")
    fail(store, "d", "100% full_disk ÜBEL")
    fail(store, "e", "100 full-disk übel")

    def chosen(**filters: str | int) -> list[str]:
        return store.retry_failed(dry_run=True, **filters)

    assert chosen(key="x") == ["a", "c"]
    assert chosen(error_like="HTTP 5") == chosen(error_like="http 5") == ["a", "b"]
    assert chosen(error_like="http 5", limit=1) == ["a"]
    assert chosen(error_like="full_disk") == chosen(error_like="100%") == ["d"]
    assert chosen(error_like="übel") == ["d", "e"]
    assert chosen(error_like="%") == ["d"]
    assert chosen(error_like="") == ["a", "b", "c", "d", "e"]
    assert chosen(key="x", error_like="timed") == ["c"]
    assert chosen(key="nobody") == chosen(error_like="nothing") == []
    assert store.retry_failed(key="x", error_like="TIMED", dry_run=dry_run) == ["c"]
    assert store.stats().error == (5 if dry_run else 4)


def test_thousands_are_tried_again(store: Store) -> None:
    store.enqueue([NewJob(str(number), key="k") for number in range(2500)])
    for _ in range(5):
        with store.together():
            for lease in store.lease(500, TTL):
                store.ack(lease.token, QueueState.ERROR, reason="rare" if lease.id == "9" else "x")
    assert counted(store) == {"error": 2500}
    assert store.retry_failed(error_like="rare") == ["9"]
    assert len(store.retry_failed(key="k")) == 2499
    assert counted(store) == {"queued": 2500}
    check_the_counts(store)


def test_what_ended_long_ago_is_forgotten_and_its_id_is_new_again(store: Store) -> None:
    end(store, "a")
    assert store.prune(TTL) == 0
    until(lambda: store.prune(0.02) == 1)
    assert store.job("a") is None
    assert counted(store) == {}
    assert add(store, "a") == 1
    assert (one(store).attempt, job(store, "a").history[:-1]) == (1, ())


def test_only_states_that_were_named_are_forgotten(store: Store) -> None:
    for state in sorted(ENDED):
        end(store, str(state), state)
    last = job(store, str(max(ENDED))).ended_at or 0
    until(lambda: time.time() > last + 0.01)
    assert store.prune(0, [QueueState.DONE]) == 1
    assert counted(store) == {"skipped": 1, "error": 1}
    assert store.prune(0, []) == 0
    assert store.prune(0, iter([QueueState.SKIPPED, QueueState.ERROR])) == 2
    assert counted(store) == {}


def test_what_has_not_ended_is_never_forgotten(store: Store) -> None:
    add(store, "held", "ready")
    one(store)
    add(store, "late", delay=TTL)
    assert store.prune(0, list(QueueState)) == 0
    assert store.prune(0) == 0
    assert counted(store) == {"in_progress": 1, "queued": 2, "delayed": 1}


def test_what_was_queued_anew_is_not_forgotten(store: Store) -> None:
    fail(store, "a")
    store.retry_failed()
    assert store.prune(0) == 0
    assert one(store).id == "a"


def test_thousands_are_forgotten(store: Store) -> None:
    store.enqueue([NewJob(str(number), key="k") for number in range(2500)])
    store.cancel(map(str, range(2500)))
    forget(store)
    assert counted(store) == {}
    assert store.jobs() == []


def test_failures_are_chosen_by_id(store: Store) -> None:
    for name, reason in (("a", "http"), ("b", "boom"), ("c", "http"), ("d", "http")):
        fail(store, name, reason, key=name)
    end(store, "done")
    asked = ["c", "unknown", "done", "b", "c"]
    assert store.retry_failed(ids=asked, dry_run=True) == ["c", "b"]
    assert counted(store) == {"error": 4, "done": 1}
    assert store.retry_failed(ids=iter(asked), error_like="HTTP", dry_run=True) == ["c"]
    assert store.retry_failed(ids=asked, key="b", dry_run=True) == ["b"]
    assert store.retry_failed(ids=asked, limit=1, dry_run=True) == ["c"]
    assert store.retry_failed(ids=[]) == []
    assert store.retry_failed(ids=asked) == ["c", "b"]
    assert (job(store, "c").attempts, job(store, "c").reason) == (0, "")
    assert counted(store) == {"error": 2, "queued": 2, "done": 1}
    assert sorted(lease.id for lease in store.lease(9, TTL)) == ["b", "c"]
    check_the_counts(store)


def test_thousands_are_tried_again_by_id(store: Store) -> None:
    store.enqueue([NewJob(str(number)) for number in range(2500)])
    with store.together():
        for lease in store.lease(2500, TTL):
            store.ack(lease.token, QueueState.ERROR, reason="boom")
    ids = [str(number) for number in range(0, 2500, 2)]
    assert store.retry_failed(ids=ids) == ids
    assert counted(store) == {"queued": 1250, "error": 1250}


def test_what_has_ended_is_forgotten_by_id(store: Store) -> None:
    for state in sorted(ENDED):
        end(store, str(state), state)
    add(store, "held", "ready", key="k")
    token = one(store).token
    add(store, "late", delay=TTL)
    asked = ["done", "held", "ready", "late", "unknown", "error", "done"]
    assert store.forget(iter(asked)) == ["done", "error"]
    assert store.job("done") is None
    assert counted(store) == {"skipped": 1, "in_progress": 1, "queued": 2, "delayed": 1}
    check_the_counts(store)
    store.ack(token, QueueState.DONE)
    assert add(store, "done") == 1
    assert store.forget([]) == []


def test_thousands_are_forgotten_by_id(store: Store) -> None:
    text = '"%s"' % ("x" * 3000)
    store.enqueue([NewJob(str(number), text, key="k") for number in range(2500)])
    store.cancel(map(str, range(2400)))
    ids = [str(number) for number in range(2500)]
    assert store.forget(ids) == ids[:2400]
    assert counted(store) == {"queued": 100}
    check_the_counts(store)


# leases that are taken back


def test_a_lease_that_is_taken_back_is_one_that_ran_out(store: Store, other: Store) -> None:
    add(store, "a", key="k", host="h")
    token = one(store, worker="w1").token

    assert other.expire("w1", ["a", "unknown"]) == ["a"]

    assert counted(store) == {"in_progress": 1, "expired_leases": 1}
    assert store.heartbeat([token], TTL) == store.release([token]) == [token]
    with pytest.raises(LeaseLost):
        store.ack(token, QueueState.DONE)
    again = one(store, worker="w2")
    assert (again.id, again.attempt) == ("a", 2)
    assert "lease ran out" in job(store, "a").history[0].error
    check_the_counts(store)
    with pytest.raises(LeaseLost):
        store.ack(token, QueueState.DONE)
    store.ack(again.token, QueueState.DONE)


def test_out_of_attempts_a_job_whose_lease_is_taken_back_ends(store: Store) -> None:
    add(store, "a")
    one(store, worker="w", max_attempts=1)
    store.expire("w", ["a"])
    assert store.lease(1, TTL, max_attempts=1) == []
    assert counted(store) == {"error": 1}


def test_only_the_leases_of_one_worker_are_taken_back(store: Store) -> None:
    """Somebody else may have got the job since it was looked at."""
    add(store, "a", "b", "ready")
    one(store, worker="w 1")
    token = one(store, worker="w 2").token
    assert store.expire("w 1", ["a", "b", "ready"]) == ["a"]
    assert store.expire("w 1", ["a"]) == []
    assert store.expire("w", ["b"]) == store.expire("", ["b"]) == []
    assert store.heartbeat([token], TTL) == []
    end_of_it = job(store, "b").lease_until
    assert store.expire("w 2", ["b"]) == ["b"]
    assert (job(store, "b").lease_until or 0) < (end_of_it or 0)


def test_whoever_waits_for_work_takes_back_what_was_released(store: Store, other: Store) -> None:
    add(store, "a")
    one(store, worker="dead")
    assert store.lease(1, TTL) == []
    until(lambda: not store.wakes(0))
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(store.wakes, 20)
        until(waits.running)
        other.expire("dead", ["a"])
        assert waits.result()
    assert soon(store).id == "a"


def test_whoever_begins_to_wait_hears_what_was_released_before(store: Store, other: Store) -> None:
    add(store, "a")
    one(store, worker="dead")
    other.expire("dead", ["a"])
    with ThreadPoolExecutor() as pool:  # a thread that has not waited yet
        assert pool.submit(store.wakes, 20).result()


def test_what_a_limit_held_up_goes_on_when_a_lease_is_taken_back(store: Store) -> None:
    store.set_limits(Limits(per_key={"k": 1}, per_host=1))
    add(store, "a", "b", key="k", host="h")
    assert one(store, worker="dead").id == "a"
    assert store.lease(1, TTL) == []
    store.expire("dead", ["a"])
    first = soon(store)
    assert store.lease(1, TTL) == []
    store.ack(first.token, QueueState.DONE)
    assert {first.id, soon(store).id} == {"a", "b"}
    check_the_counts(store)


def test_the_leases_of_thousands_are_taken_back(store: Store) -> None:
    store.enqueue([NewJob(str(number)) for number in range(2500)])
    store.lease(2500, TTL, worker="w")
    assert len(store.expire("w", map(str, range(2400)))) == 2400
    assert store.stats().expired_leases == 2400
