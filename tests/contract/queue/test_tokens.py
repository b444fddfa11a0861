"""Who may end a job or hold it longer: whoever has the token of its current lease."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import ENDED, Limits, NewJob, OnConflict, QueueState
from orchestrator.queue.store import Store
from orchestrator.queue.token import Token, parse
from tests.support.queue_place import (
    BRIEF,
    TTL,
    add,
    check_the_counts,
    counted,
    forget,
    job,
    lapsed,
    one,
    soon,
    until,
)


def leased(store: Store) -> str:
    add(store, "a")
    return one(store).token


def of_nobody(store: Store) -> str:
    token = parse(leased(store))
    return str(token._replace(fence=token.fence + 1000))


def of_another_job(store: Store) -> str:
    token = parse(leased(store))
    add(store, "b")
    return str(token._replace(job=parse(one(store).token).job))


def ended(store: Store) -> str:
    token = leased(store)
    store.ack(token, QueueState.DONE)
    return token


def retried(store: Store) -> str:
    token = leased(store)
    store.retry(token, "boom", 0)
    return token


def released(store: Store) -> str:
    token = leased(store)
    store.release([token])
    return token


def cancelled(store: Store) -> str:
    token = leased(store)
    store.cancel(["a"])
    return token


def run_out(store: Store) -> str:
    add(store, "a")
    return lapsed(store)[0].token


def taken_back(store: Store) -> str:
    token = run_out(store)
    store.lease(0, TTL)
    return token


def with_somebody_else(store: Store) -> str:
    token = run_out(store)
    one(store)
    return token


def forgotten(store: Store) -> str:
    token = ended(store)
    forget(store)
    return token


def forgotten_and_new(store: Store) -> str:
    token = forgotten(store)
    leased(store)
    return token


def queued_anew(store: Store) -> str:
    token = ended(store)
    store.enqueue([NewJob("a")], OnConflict.REQUEUE)
    return token


STALE = [
    *(of_nobody, of_another_job, ended, retried, released, cancelled, run_out, taken_back),
    *(with_somebody_else, forgotten, forgotten_and_new, queued_anew),
]
NONSENSE = [
    *("", "a", "1.2", "..", "1.1.", "-1.1.a", "1.1.a", "x.y.z", "1.1.1 ", "²a.1.1"),
    *(
        "1." + "9" * 30 + ".1",
        "9" * 5000 + ".1.1",
        "1.1." + "9" * 30,
        "1.1.1\n",
        "1.1.'; --",
        "é.ü.😀",
    ),
]
#: All verbs with a token that raise when it is not current.
VERBS: dict[str, Callable[[Store, str], object]] = {
    "ack": lambda store, token: store.ack(token, QueueState.DONE, result="1"),
    "error": lambda store, token: store.ack(token, QueueState.ERROR, reason="no"),
    "retry": lambda store, token: store.retry(token, "boom", 0),
    "commit": lambda store, token: store.commit(token, QueueState.DONE, new_jobs=[NewJob("new")]),
}


def refuses(store: Store, token: str) -> None:
    """No verb takes the token, and nothing is changed."""
    before = (counted(store), store.job("a"), store.job("b"))
    for verb in VERBS.values():
        with pytest.raises(LeaseLost):
            verb(store, token)
    assert store.heartbeat([token], TTL) == [token]
    assert store.release([token]) == [token]
    assert (counted(store), store.job("a"), store.job("b")) == before
    check_the_counts(store)


@pytest.mark.parametrize("prepare", STALE)
def test_a_token_that_is_not_current_does_nothing(
    store: Store, prepare: Callable[[Store], str]
) -> None:
    refuses(store, prepare(store))


@pytest.mark.parametrize("token", NONSENSE)
def test_a_token_that_no_store_gave_out_does_nothing(store: Store, token: str) -> None:
    add(store, "b")
    refuses(store, token)
    one(store)
    refuses(store, token)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_token_is_good_for_one_end(store: Store, verb: str) -> None:
    token = leased(store)
    VERBS[verb](store, token)
    refuses(store, token)


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ack_ends_the_job_and_keeps_reason_and_result(store: Store, state: QueueState) -> None:
    store.ack(leased(store), state, reason="who knows", result='{"title": "ü"}')
    ended = job(store, "a")
    assert (ended.state, ended.reason, ended.result) == (state, "who knows", '{"title": "ü"}')
    assert ended.lease_until is None
    assert counted(store) == {str(state): 1}
    assert store.lease(1, TTL) == []


@pytest.mark.parametrize("state", [QueueState.QUEUED, QueueState.IN_PROGRESS])
def test_a_job_does_not_end_unfinished(store: Store, state: QueueState) -> None:
    token = leased(store)
    with pytest.raises(ValueError, match=str(state)):
        store.ack(token, state)
    with pytest.raises(ValueError, match=str(state)):
        store.commit(token, state)
    store.ack(token, QueueState.DONE)


def test_a_retried_job_waits_and_its_attempt_is_counted(store: Store) -> None:
    store.retry(leased(store), "timeout", TTL)
    assert store.lease(1, TTL) == []
    assert counted(store) == {"queued": 1, "delayed": 1}
    waiting = job(store, "a")
    assert (waiting.state, waiting.attempts, waiting.reason) == (QueueState.QUEUED, 1, "timeout")


def test_a_retried_job_comes_again_with_all_it_had(store: Store) -> None:
    store.enqueue([NewJob("a", "[1]", 7, 0.0, "k", "h"), NewJob("b", priority=8)])
    store.retry(one(store).token, "timeout", BRIEF)
    until(lambda: not store.lease(0, TTL) and not store.stats().delayed)
    add(store, "c", priority=6)
    leases = store.lease(9, TTL)
    assert [(lease.id, lease.attempt) for lease in leases] == [("c", 1), ("a", 2), ("b", 1)]
    assert (leases[1].payload, leases[1].key, leases[1].host) == ("[1]", "k", "h")


def test_a_retry_without_delay_is_ready_at_once(store: Store) -> None:
    store.retry(leased(store), "boom", 0)
    assert one(store).attempt == 2


def test_a_second_attempt_that_is_released_keeps_the_first_one_counted(store: Store) -> None:
    store.retry(leased(store), "boom", 0)
    assert store.release([one(store).token]) == []
    assert job(store, "a").attempts == 1
    assert one(store).attempt == 2


def test_what_is_released_with_a_delay_waits_and_then_comes_behind_others(store: Store) -> None:
    add(store, "a", key="k", host="h")
    store.retry(one(store, worker="w").token, "boom", 0)
    lease = one(store)
    assert store.release([lease.token, "nonsense"], 30) == ["nonsense"]
    assert 25 < (store.next_at() or 0) <= 30
    found = job(store, "a")
    assert (found.attempts, found.reason, len(found.history)) == (1, "boom", 1)
    assert counted(store) == {"queued": 1, "delayed": 1}
    refuses(store, lease.token)
    assert store.lease(1, TTL) == []
    check_the_counts(store)


def test_it_is_there_when_the_delay_is_over_and_its_place_is_free_before(store: Store) -> None:
    store.set_limits(Limits(every_key=1))
    add(store, "a", "b", key="k")
    assert store.release([one(store).token], BRIEF) == []
    assert soon(store).id == "b"
    store.set_limits(Limits())
    again = soon(store)
    assert (again.id, again.attempt) == ("a", 1)


def test_only_what_is_current_is_released(store: Store) -> None:
    add(store, "a", "b", "c")
    held = [lease.token for lease in store.lease(3, TTL)]
    store.ack(held[1], QueueState.DONE)
    assert store.release([*held, "nonsense"]) == [held[1], "nonsense"]
    assert store.release([]) == []
    assert counted(store) == {"queued": 2, "done": 1}


def test_a_heartbeat_moves_the_end_of_the_lease(store: Store) -> None:
    add(store, "a", "b")
    held = [lease.token for lease in store.lease(2, 30)]
    ends = [job(store, name).lease_until or 0 for name in "ab"]
    assert store.heartbeat([held[0]], 500) == []
    assert 460 < (job(store, "a").lease_until or 0) - ends[0] <= 500
    assert job(store, "b").lease_until == ends[1]
    assert store.heartbeat(iter(held), 500) == []
    assert store.heartbeat([], 500) == []


def test_a_heartbeat_may_shorten_a_lease(store: Store) -> None:
    token = leased(store)
    assert store.heartbeat([token], BRIEF) == []
    until(lambda: store.stats().expired_leases == 1)
    assert one(store).attempt == 2


def test_a_heartbeat_returns_the_lost_ones_and_keeps_the_others(store: Store) -> None:
    add(store, "a")
    (gone,) = lapsed(store)
    add(store, "b", "c")
    held = {lease.id: lease.token for lease in store.lease(3, BRIEF * 10)}
    store.cancel(["c"])
    tokens = [gone.token, "nonsense", *(held[name] for name in "abc")]
    assert store.heartbeat(tokens, TTL) == [gone.token, "nonsense", held["c"]]
    assert counted(store) == {"in_progress": 2, "skipped": 1}


def test_hundreds_of_leases_are_kept_and_given_back_at_once(store: Store) -> None:
    add(store, *map(str, range(1200)))
    tokens = [lease.token for _ in range(3) for lease in store.lease(400, TTL)]
    assert len(tokens) == 1200
    assert store.heartbeat(tokens, TTL) == []
    assert store.release(tokens) == []
    assert counted(store) == {"queued": 1200}


def test_a_token_outlives_the_limits_and_other_openings(store: Store, other: Store) -> None:
    token = leased(store)
    other.set_limits(Limits(every_key=0, per_host=0))
    assert other.heartbeat([token], TTL) == []
    other.ack(token, QueueState.DONE)
    refuses(store, token)


def test_the_fence_is_never_used_again(store: Store) -> None:
    """Not even for the same id, forgotten and new."""
    seen: list[Token] = []
    for _ in range(5):
        add(store, "a")
        seen.append(parse(soon(store).token))
        store.ack(str(seen[-1]), QueueState.DONE)
        forget(store)
    assert len({token.fence for token in seen}) == 5
