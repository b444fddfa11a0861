"""`orch queue retry-failed`, `cancel`, `prune`, `limits`."""

from __future__ import annotations

import pytest

from orchestrator.queue.model import NewJob, QueueState
from tests.support.queue_home import QueueHome

REASONS = {"a": "HTTP 500 of X", "b": "http 503", "c": "timeout"}


@pytest.fixture
def failed(either: QueueHome) -> QueueHome:
    """Three jobs that ended as error."""
    with either.opened() as queue:
        for job_id, reason in REASONS.items():
            queue.enqueue_many([NewJob(job_id, key="k" if job_id != "a" else "")])
            (lease,) = queue.lease(1)
            queue.store.ack(lease.token, QueueState.ERROR, reason=reason)
    return either


def test_failed_jobs_are_queued_anew_by_reason_and_key(failed: QueueHome) -> None:
    assert failed.json("retry-failed", "--error-like", "http", "--dry-run") == {
        "ids": ["a", "b"],
        "dry_run": True,
    }
    told = failed.fine("retry-failed", "--error-like", "http", "--key", "k", "--dry-run")
    assert told == "1 job would be queued anew\n  b\n"
    assert failed.states() == {"error": 3}

    assert failed.fine("retry-failed", "--limit", "1") == "1 job was queued anew\n"
    assert failed.states() == {"queued": 1, "error": 2}
    assert failed.json("show", "a")["attempts"] == 0
    assert failed.fine("retry-failed") == "2 jobs were queued anew\n"
    assert failed.fine("retry-failed") == "0 jobs were queued anew\n"


def test_failed_jobs_are_queued_anew_by_id(failed: QueueHome) -> None:
    failed.fine("enqueue", "d")
    wanted = ["retry-failed", "c", "a", "aa", "d", "c"]
    done = failed(*wanted, "--dry-run")
    assert (done.returncode, done.stdout) == (1, "2 jobs would be queued anew\n  c\n  a\n")
    assert failed.states() == {"queued": 1, "error": 3}
    done = failed(*wanted)
    assert (done.returncode, done.stdout) == (1, "2 jobs were queued anew\n")
    assert "no job 'aa'; did you mean a?" in done.stderr
    assert "d: has not failed (queued)" in done.stderr
    assert failed.states() == {"queued": 3, "error": 1}
    assert failed.json("retry-failed", "b", "d") == {"ids": ["b"], "dry_run": False}
    assert failed.states() == {"queued": 4}


def test_jobs_are_forgotten_by_id_once_they_have_ended(failed: QueueHome) -> None:
    failed.fine("enqueue", "d")
    done = failed("prune", "a", "d", "dd", "a")
    assert (done.returncode, done.stdout) == (1, "forgot 1 of 3\n")
    assert "d: has not ended; `orch queue cancel` ends it (queued)" in done.stderr
    assert "no job 'dd'; did you mean d?" in done.stderr
    assert failed.states() == {"queued": 1, "error": 2}
    failed.fine("cancel", "d")
    assert failed.fine("prune", "d", "b") == "forgot 2 of 2\n"
    assert failed.fine("enqueue", "d") == "d: new\n"


def test_ids_and_filters_are_not_mixed_and_one_of_them_is_needed(home: QueueHome) -> None:
    home.refuses("prune", told=["name what to forget: ID…, or --older-than DURATION"])
    home.refuses("prune", "a", "--older-than", "1d", "--state", "done",
                 told=["name ID…, or use --older-than, --state: not both"])  # fmt: skip
    home.refuses("retry-failed", "a", "--key", "k", "--limit", "3",
                 told=["name ID…, or use --key, --limit: not both"])  # fmt: skip
    home.refuses("release", told=["name what to release: ID…, or --worker NAME"])
    home.refuses("release", "a", "--worker", "w", told=["ID…, or use --worker: not both"])


def test_jobs_are_cancelled_and_what_was_not_is_told(failed: QueueHome) -> None:
    failed.fine("enqueue", "d")
    done = failed("cancel", "d", "a", "dd", "d")
    assert done.returncode == 1
    assert done.stdout == "cancelled 1 of 3\n"
    assert "no job 'dd'; did you mean d?" in done.stderr
    assert "a: has ended already (error)" in done.stderr
    assert failed.json("show", "d")["state"] == "skipped"
    assert failed.json("show", "d")["reason"] == "cancelled"
    again = failed("cancel", "d")
    assert (again.returncode, again.stdout) == (0, "cancelled 0 of 1\n")
    assert "ended already" in again.stderr


def test_old_jobs_are_forgotten(failed: QueueHome) -> None:
    failed.fine("enqueue", "d")
    assert failed.fine("prune", "--older-than", "7d") == "forgot 0 jobs\n"
    assert failed.fine("prune", "--older-than", "0s", "--state", "done") == "forgot 0 jobs\n"
    states = ["--state", "skipped", "--state", "error"]
    assert failed.fine("prune", "--older-than", "0s", *states) == "forgot 3 jobs\n"
    assert failed.states() == {"queued": 1}
    wrong = failed("prune", "--older-than", "soon", "--state", "queued")
    assert wrong.returncode == 2
    assert "soon" in wrong.stderr
    assert "must be one of done, skipped, error" in wrong.stderr


def test_limits_are_kept_in_the_queue_and_only_those_named_are_changed(failed: QueueHome) -> None:
    assert failed.json("limits") == {"per_key": {}, "every_key": None, "per_host": None}
    told = failed.fine("limits", "--max-per-resolver", "a:2,urn:b:0,*:9", "--max-per-host", "4")
    assert told.splitlines() == [
        "key a: 2 at once",
        "key urn:b: 0 at once",
        "every other key: 9 at once",
        "every host: 4 at once",
    ]
    failed.fine("limits", "--max-per-resolver", "a:none,c:1")
    assert failed.json("limits") == {
        "per_key": {"urn:b": 0, "c": 1},
        "every_key": 9,
        "per_host": 4,
    }
    failed.fine("limits", "--max-per-resolver", "*:none", "--max-per-host", "none")
    assert failed.json("limits")["every_key"] is None
    assert failed.json("limits")["per_host"] is None


def test_wrong_limits_are_told_all_at_once(home: QueueHome) -> None:
    told = ["'a'", "'b:x'", "':3'", "a:2,b:3", "--max-per-host '-1'"]
    home.refuses("limits", "--max-per-resolver", "a,b:x,c:2,:3", "--max-per-host", "-1", told=told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "\udcff"), "broken letters"),
        (("cancel", "\udcff", "b"), "broken letters"),
        (("list", "--key", "\udcff"), "--key control characters"),
        (("retry-failed", "--key", "\udcff"), "--key control characters"),
        (("prune", "--older-than", "999999999999d"), "--older-than must be at most"),
        (("list", "--limit", "99999999999999999999"), "10000"),
        (("list", "--limit", "0"), "greater than or equal to 1"),
        (("list", "--after", "\udcff"), "--after control characters"),
        (("prune", "\udcff"), "broken letters"),
        (("stats", "--queue", "postgres://x@127.0.0.1/y"), "postgres"),
    ],
)
def test_what_can_be_no_id_and_no_number_is_told(
    home: QueueHome, words: tuple[str, ...], told: str
) -> None:
    home.refuses(*words, told=[told])
