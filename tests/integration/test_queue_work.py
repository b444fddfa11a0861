"""A work queue in a file, as people embed it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from orchestrator.core.backoff import Backoff
from orchestrator.core.errors import LeaseLost
from orchestrator.queue import Limits, NewJob, WorkQueue, open_queue
from orchestrator.queue.model import QueueState
from orchestrator.queue.retry import GiveUp, RetryAt, RetryPolicy
from tests.support.orch import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLICY = RetryPolicy(2, Backoff(base=0.01, cap=0.01))


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[WorkQueue]:
    with open_queue(tmp_path / "queue.sqlite", policy=POLICY) as queue:
        yield queue


def test_a_job_is_new_once_and_anew_when_it_is_asked_for(queue: WorkQueue) -> None:
    assert queue.enqueue("a", {"n": 1})
    assert not queue.enqueue("a", {"n": 2})
    (lease,) = queue.lease()
    assert lease.payload == '{"n": 1}'
    queue.ack(lease.token, "done", {"size": 7})
    assert not queue.enqueue("a", on_conflict="update")
    assert queue.enqueue("a", {"n": 3}, on_conflict="requeue")
    assert queue.enqueue_many([NewJob("a"), NewJob("b"), NewJob("b")]) == 1


def test_a_job_that_fails_is_tried_again_and_then_ends_with_the_reason(queue: WorkQueue) -> None:
    queue.enqueue("a")
    (first,) = queue.lease(1, "w1")
    assert isinstance(queue.fail_and_retry(first.token, "cut off"), RetryAt)
    (second,) = eventually(lambda: queue.lease(1, "w2"), what="the second attempt")
    assert second.attempt == 2

    assert queue.fail_and_retry(second.token, "cut again") == GiveUp("out of attempts (2)")

    job = queue.job("a")
    assert job is not None
    assert (job.state, job.reason) == (QueueState.ERROR, "out of attempts (2): cut again")
    assert [(each.worker, each.error) for each in job.history] == [
        ("w1", "cut off"),
        ("w2", "out of attempts (2): cut again"),
    ]
    with pytest.raises(LeaseLost):
        queue.ack(first.token)


def test_what_ended_as_error_is_tried_anew_with_all_its_attempts(queue: WorkQueue) -> None:
    queue.enqueue("a", key="k")
    queue.fail_and_retry(queue.lease()[0].token, "Not Found", permanent=True)

    assert queue.retry_failed(error_like="not found", key="k", dry_run=True) == ["a"]
    assert queue.lease() == []
    assert queue.retry_failed(error_like="not found", key="k", limit=1) == ["a"]
    (lease,) = queue.lease()
    assert lease.attempt == 1


def test_a_wait_that_a_server_asked_for_is_kept_with_the_job(queue: WorkQueue) -> None:
    queue.enqueue("a")
    queue.fail_and_retry(queue.lease()[0].token, "429", retry_after=3600)

    assert queue.stats().delayed == 1
    job = queue.job("a")
    assert job is not None
    assert job.not_before == pytest.approx(time.time() + 3600, abs=60)


def test_a_job_is_not_leased_before_its_time(queue: WorkQueue) -> None:
    queue.enqueue("later", not_before=time.time() + 3600)
    queue.enqueue("over", not_before=time.time() - 3600)

    assert [lease.id for lease in queue.lease(5)] == ["over"]


def test_what_is_released_is_the_first_again_and_costs_no_attempt(queue: WorkQueue) -> None:
    queue.enqueue("a")
    queue.enqueue("b")
    (lease,) = queue.lease()

    assert queue.release(lease.token) == []

    again = queue.lease(2)
    assert [(each.id, each.attempt) for each in again] == [("a", 1), ("b", 1)]
    assert queue.release([lease.token]) == [lease.token]
    assert queue.heartbeat([lease.token, again[0].token]) == [lease.token]


def test_a_commit_adds_its_new_jobs_with_the_ack(queue: WorkQueue) -> None:
    queue.enqueue("a")
    (lease,) = queue.lease()

    assert queue.commit(lease.token, [1, 2], [NewJob("a"), NewJob("b")]) == 1

    job = queue.job("a")
    assert job is not None
    assert (job.state, job.result) == (QueueState.DONE, "[1, 2]")
    with pytest.raises(LeaseLost):
        queue.commit(lease.token, None, [NewJob("c")])
    assert queue.job("c") is None


def test_limits_hold_from_the_next_lease_on(queue: WorkQueue) -> None:
    queue.enqueue_many([NewJob(str(n), key="k", host="h") for n in range(5)])
    queue.set_limits(Limits({"k": 2}, per_host=4))
    assert queue.limits() == Limits({"k": 2}, per_host=4)
    assert len(queue.lease(5)) == 2
    queue.set_limits(Limits(per_host=4))

    assert len(queue.lease(5)) == 2


def test_people_cancel_and_prune(queue: WorkQueue) -> None:
    queue.enqueue("a")
    queue.enqueue("b")
    assert queue.cancel("a", "not wanted") == 1
    assert [job.reason for job in queue.jobs(state="skipped")] == ["not wanted"]

    assert queue.prune(0, "done") == 0
    assert queue.prune(0) == 1
    assert [job.id for job in queue.jobs()] == ["b"]
