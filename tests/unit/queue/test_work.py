"""What a work queue decides before, and instead of, its store."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Self

import pytest

from orchestrator.core.backoff import Backoff
from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import (
    EVERY_HOST,
    LONGEST_DELAY_S,
    LONGEST_TEXT,
    Lease,
    Limits,
    NewJob,
    OnConflict,
    QueueState,
    Stats,
)
from orchestrator.queue.retry import GiveUp, RetryAt, RetryPolicy
from orchestrator.queue.texts import LONGEST_REASON
from orchestrator.queue.work import WorkQueue
from tests.support.fake_clock import FakeClock


class Noted:
    """A store that notes what it is told to do."""

    def __init__(self, new: int = 1) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.answers: dict[str, Any] = {"enqueue": new, "stats": Stats(), "limits": Limits()}

    def __getattr__(self, verb: str) -> Any:
        def noted(*args: Any, **options: Any) -> Any:
            self.calls.append((verb, args, options))
            return self.answers.get(verb, [])

        return noted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def together(self) -> nullcontext[None]:
        return nullcontext()

    @property
    def last(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        return self.calls[-1]


POLICY = RetryPolicy(3, Backoff(base=10, cap=60), jitter=4)


@pytest.fixture
def store() -> Noted:
    return Noted()


@pytest.fixture
def queue(store: Noted) -> WorkQueue:
    return WorkQueue(store, POLICY, clock=FakeClock(1000.0), draw=lambda: 0.5)  # type: ignore[arg-type]


def test_a_job_is_enqueued_with_its_payload_as_json(queue: WorkQueue, store: Noted) -> None:
    assert queue.enqueue("a", {"title": "größer"}, key="k", host="h", priority=-3) is True
    job = NewJob("a", '{"title": "größer"}', -3, 0.0, "k", "h")
    assert store.last == ("enqueue", ([job], OnConflict.IGNORE), {})


def test_what_is_not_said_of_a_job_a_known_one_keeps(queue: WorkQueue, store: Noted) -> None:
    queue.enqueue("a", [], priority=0, on_conflict="update")
    ((job,), _) = store.last[1]
    assert (job, set(job.keep)) == (NewJob("a", "[]"), {"key", "host", "delay"})
    queue.enqueue("a", None, key="", host="", not_before=0)
    ((job,), _) = store.last[1]
    assert (job, set(job.keep)) == (NewJob("a"), {"payload", "priority"})


URL = "https://me@Example.com:443/x?y"


def test_every_spelling_of_a_host_is_one(queue: WorkQueue, store: Noted) -> None:
    queue.enqueue("a", host=URL)
    assert store.last[1][0][0].host == "example.com"
    plain = NewJob("c", host="x.example:8080")
    queue.enqueue_many([NewJob("b", host="Bücher.example."), plain, NewJob("d")])
    assert [job.host for job in store.last[1][0]] == ["xn--bcher-kva.example", "x.example:8080", ""]
    queue.commit("1.17.a", new_jobs=[NewJob("b", host=URL, priority=3)])
    assert store.last[2]["new_jobs"] == [NewJob("b", host="example.com", priority=3)]


@pytest.mark.parametrize("host", ["my printer", "mailto:x@y.example", "x:y:z"])
def test_what_is_no_host_is_refused_by_name(queue: WorkQueue, store: Noted, host: str) -> None:
    for step in (
        lambda: queue.enqueue("a", host=host),
        lambda: queue.enqueue_many([NewJob("a", host=host)]),
        lambda: queue.commit("1.17.a", new_jobs=[NewJob("b", host=host)]),
    ):
        with pytest.raises(ValueError, match=f"host must be a host, or a URL at one, not '{host}'"):
            step()
    assert not store.calls


def test_an_id_that_is_known_is_not_new() -> None:
    assert WorkQueue(Noted(new=0)).enqueue("a") is False  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("payload", "text"),
    [(0, "0"), (False, "false"), ("", '""'), ([1, None], "[1, null]"), ({}, "{}"), (None, "{}")],
)
def test_any_json_value_is_a_payload_and_none_is_an_empty_object(
    queue: WorkQueue, store: Noted, payload: Any, text: str
) -> None:
    queue.enqueue("a", payload)
    assert store.last[1][0][0].payload == text


def test_half_a_letter_in_a_payload_is_escaped(queue: WorkQueue, store: Noted) -> None:
    queue.enqueue("a", "\ud800")
    assert store.last[1][0][0].payload == '"\\ud800"'


def _loop() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


def _deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(200_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({1, 2}, "payload is no JSON value.*set"),
        (float("nan"), "payload is no JSON value.*JSON compliant"),
        ({"a": object()}, "payload is no JSON value.*object"),
        ({(1, 2): 3}, "payload is no JSON value.*keys"),
        (_loop(), "payload is no JSON value.*[Cc]ircular"),
        (_deep(), "payload is nested too deeply"),
        (
            "x" * LONGEST_TEXT,
            f"payload has {LONGEST_TEXT + 2} bytes as JSON; at most {LONGEST_TEXT}",
        ),
        ("é" * (LONGEST_TEXT // 2), f"payload has {LONGEST_TEXT + 2} bytes"),
    ],
    ids=["set", "nan", "object", "keys", "loop", "deep", "big", "big letters"],
)
def test_what_is_no_payload_is_refused_by_name_and_nothing_is_written(
    queue: WorkQueue, store: Noted, payload: Any, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        queue.enqueue("a", payload)
    with pytest.raises(ValueError, match=why.replace("payload", "result")):
        queue.ack("1.1.a", "done", payload)
    with pytest.raises(ValueError, match=why.replace("payload", "result")):
        queue.commit("1.1.a", payload)
    assert not store.calls


@pytest.mark.parametrize(
    ("job", "why"),
    [
        ({"artifact_id": ""}, "needs an id"),
        ({"artifact_id": "a\0b"}, r"id must have no control characters.*a\\x00b"),
        ({"artifact_id": "a\ud800"}, "id must have no control characters and no half letters"),
        ({"artifact_id": 7}, "id must be text, not 7"),
        ({"key": "a\nb"}, "key must have no control characters"),
        ({"key": 7}, "key must be text, not 7"),
        ({"host": "\x9b31m"}, "host must have no control characters"),
        ({"host": "h" * 2049}, "host must have at most 2048 bytes"),
        ({"key": "é" * 1025}, "key must have at most 2048 bytes"),
        ({"priority": 4001}, "priority must be a whole number from -4000 to 4000, not 4001"),
        ({"priority": 1.5}, "priority must be a whole number"),
        ({"priority": "1"}, "priority must be a whole number"),
        ({"not_before": float("nan")}, "not_before must be a number of seconds, not nan"),
        ({"not_before": "soon"}, "not_before must be a number of seconds, not 'soon'"),
        ({"not_before": 1e12}, "not_before is seconds since 1970"),
        ({"on_conflict": "replace"}, "'replace' is none of ignore, update, requeue"),
    ],
)
def test_what_no_store_can_keep_is_refused_by_name(
    queue: WorkQueue, store: Noted, job: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        queue.enqueue(**{"artifact_id": "a", **job})
    assert not store.calls


def test_names_may_be_long_and_in_any_letters() -> None:
    NewJob("é" * 1024, key="\N{NO-BREAK SPACE}漢字 💩", host="h" * 2048)
    NewJob("a", payload="漢" * 1000)
    with pytest.raises(ValueError, match="payload has half letters"):
        NewJob("a", payload='"\ud800"')
    with pytest.raises(ValueError, match="payload must be text"):
        NewJob("a", payload={"a": 1})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=f"payload has {LONGEST_TEXT + 1} bytes"):
        NewJob("a", payload="x" * (LONGEST_TEXT + 1))
    for delay in (-1, float("nan"), float("inf"), LONGEST_DELAY_S + 1):
        with pytest.raises(ValueError, match="delay must be 0 to"):
            NewJob("a", delay=delay)


@pytest.mark.parametrize(("not_before", "delay"), [(None, 0), (0, 0), (999, 0), (1060.5, 60.5)])
def test_a_time_to_begin_becomes_a_delay_and_one_that_is_over_none(
    queue: WorkQueue, store: Noted, not_before: float | None, delay: float
) -> None:
    queue.enqueue("a", not_before=not_before)
    assert store.last[1][0][0].delay == delay


def test_a_lease_has_the_ttl_of_the_queue_unless_another_is_asked_for(
    queue: WorkQueue, store: Noted
) -> None:
    queue.lease(5, "w")
    assert store.last == ("lease", (5, 600.0), {"worker": "w", "max_attempts": 3})
    queue.lease(0, ttl=30)
    assert store.last[1] == (0, 30.0)
    replace(queue, lease_ttl_s=9.0).heartbeat(["t"])
    assert store.last == ("heartbeat", (["t"], 9.0), {})


@pytest.mark.parametrize("ttl", [0, -1, float("nan"), "1m", True])
def test_a_ttl_that_is_none_is_refused(queue: WorkQueue, store: Noted, ttl: Any) -> None:
    with pytest.raises(ValueError, match="ttl must be a number of seconds"):
        queue.lease(1, ttl=ttl)
    with pytest.raises(ValueError, match="ttl must be a number of seconds"):
        queue.heartbeat(["t"], ttl)
    with pytest.raises(ValueError, match="n must be a whole number from 0, not -1"):
        queue.lease(-1)
    assert not store.calls


@pytest.mark.parametrize("state", ["queued", "in_progress", "finished", QueueState.QUEUED])
def test_a_job_ends_only_in_a_state_that_is_an_end(
    queue: WorkQueue, store: Noted, state: str
) -> None:
    with pytest.raises(ValueError, match="none of done, skipped, error"):
        queue.ack("1.1.a", state)
    with pytest.raises(ValueError, match="none of done, skipped, error"):
        queue.prune(0, [state])
    assert not store.calls


def test_an_ack_keeps_result_and_reason(queue: WorkQueue, store: Noted) -> None:
    queue.ack("1.1.a", "skipped", {"n": 1}, reason="known")
    assert store.last == (
        "ack",
        ("1.1.a", QueueState.SKIPPED),
        {"reason": "known", "result": '{"n": 1}'},
    )
    queue.ack("1.1.a")
    assert store.last[2] == {"reason": "", "result": None}


def test_a_commit_ends_as_done_with_its_new_jobs(queue: WorkQueue, store: Noted) -> None:
    store.answers["commit"] = 2
    jobs = [NewJob("b"), NewJob("c")]
    assert queue.commit("1.1.a", [1], jobs) == 2
    assert store.last == (
        "commit",
        ("1.1.a", QueueState.DONE),
        {"result": "[1]", "new_jobs": jobs},
    )


def test_a_failed_attempt_waits_by_backoff_and_jitter(queue: WorkQueue, store: Noted) -> None:
    assert queue.fail_and_retry("1.17.a", "cut") == RetryAt(10 * 0.5 + 4 * 0.5)
    assert store.last == ("retry", ("1.17.a", "cut", 7.0), {})
    assert queue.fail_and_retry("2.18.a", "cut") == RetryAt(20 * 0.5 + 4 * 0.5)


def test_what_the_server_asks_for_is_honoured_in_full(queue: WorkQueue, store: Noted) -> None:
    assert queue.fail_and_retry("1.17.a", "429", retry_after=7200) == RetryAt(7202)
    assert queue.fail_and_retry("1.17.a", "429", retry_after=0.5) == RetryAt(7.0)
    assert queue.fail_and_retry("1.17.a", "429", retry_after=-5) == RetryAt(7.0)
    assert queue.fail_and_retry("1.17.a", "429", retry_after=1e300) == RetryAt(LONGEST_DELAY_S + 2)
    with pytest.raises(ValueError, match="retry_after must be a number of seconds, not nan"):
        queue.fail_and_retry("1.17.a", "429", retry_after=float("nan"))


def test_the_last_attempt_ends_as_error_with_the_reason(queue: WorkQueue, store: Noted) -> None:
    assert queue.fail_and_retry("3.17.a", "cut") == GiveUp("out of attempts (3)")
    assert store.last == (
        "ack",
        ("3.17.a", QueueState.ERROR),
        {"reason": "out of attempts (3): cut"},
    )


def test_a_permanent_error_is_not_tried_again(queue: WorkQueue, store: Noted) -> None:
    assert isinstance(queue.fail_and_retry("1.17.a", "404", permanent=True), GiveUp)
    assert store.last == ("ack", ("1.17.a", QueueState.ERROR), {"reason": "404"})


def test_what_is_no_token_is_a_lost_lease(queue: WorkQueue, store: Noted) -> None:
    with pytest.raises(LeaseLost):
        queue.fail_and_retry("nonsense", "cut")
    assert not store.calls


def test_a_reason_is_kept_as_text_that_any_store_can_keep(queue: WorkQueue, store: Noted) -> None:
    queue.fail_and_retry("1.17.a", "\udcff" + "x" * 10_000)
    _, (_, error, _), _ = store.last
    assert error.startswith("\\udcffx")
    assert len(error) == LONGEST_REASON
    assert error.endswith("…")


def test_one_name_is_one_and_not_its_letters(queue: WorkQueue, store: Noted) -> None:
    queue.heartbeat("1.1.abc")
    queue.release("1.1.abc")
    queue.cancel("abc")
    queue.prune(5, "error")
    assert [call[1][0] for call in store.calls[:3]] == [["1.1.abc"], ["1.1.abc"], ["abc"]]
    assert store.last == ("prune", (5.0, [QueueState.ERROR]), {})


def test_limits_are_checked_before_they_hold(queue: WorkQueue, store: Noted) -> None:
    queue.set_limits(Limits({"a": 0}, every_key=None, per_host=4))
    assert store.last[0] == "set_limits"
    some = Limits(per_host=4, defaults=frozenset({EVERY_HOST}))
    queue.set_limits(some)
    assert store.last[1] == (Limits(per_host=4),)  # somebody has set them now
    for wrong, name in (
        (Limits({"a": -1}), r"per_key\['a'\]"),
        (Limits(every_key=1.5), "every_key"),  # type: ignore[arg-type]
        (Limits(per_host=-4), "per_host"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be a whole number from 0"):
            queue.set_limits(wrong)
    assert len(store.calls) == 2


def test_people_s_verbs_reach_the_store(queue: WorkQueue, store: Noted) -> None:
    queue.stats()
    queue.limits()
    queue.job("a")
    queue.jobs(state="error", key="k", limit=5)
    queue.retry_failed(key="k", error_like="timeout", limit=3, dry_run=True)
    queue.prune(60)
    queue.close()
    assert store.calls == [
        ("stats", (), {}),
        ("limits", (), {}),
        ("job", ("a",), {}),
        ("jobs", (), {"state": QueueState.ERROR, "key": "k", "limit": 5, "after": None}),
        (
            "retry_failed",
            (),
            {"ids": None, "key": "k", "error_like": "timeout", "limit": 3, "dry_run": True},
        ),
        ("prune", (60.0,), {}),
        ("close", (), {}),
    ]
    with pytest.raises(ValueError, match="'lost' is none of queued, in_progress"):
        queue.jobs(state="lost")
    with pytest.raises(ValueError, match="limit must be"):
        queue.retry_failed(limit=-1)


def test_leaving_the_block_closes_the_store(store: Noted) -> None:
    with WorkQueue(store) as queue:  # type: ignore[arg-type]
        assert isinstance(queue.lease(), list)
    assert store.last[0] == "close"


def test_what_a_lease_returns_is_what_the_store_gave(queue: WorkQueue, store: Noted) -> None:
    lease = Lease("a", "1.17.a", "{}", 1)
    store.answers["lease"] = [lease]
    assert queue.lease() == [lease]
