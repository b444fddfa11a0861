"""The work queue's contract, over a real server and fakeredis, by the sync and the async client."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.core.keys import Keys, QueueKeys
from orchestrator.core.redis import Redis
from orchestrator.core.redis_async import AsyncRedis
from orchestrator.queue.model import NewJob, QueueState, Result, Stats
from orchestrator.queue.redis import AsyncRedisQueue, RedisQueue
from tests.support.blocking import Blocking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.redis_server import RedisServer

KEYS = Keys().frontier("books", "0123456789ab")
TTL = 60.0


@dataclass
class Store:
    """A queue, and a look behind it."""

    queue: Any
    client: Redis
    keys: QueueKeys = KEYS

    def lease_one(self, **options: Any) -> Any:
        (lease,) = self.queue.lease(1, TTL, **options)
        return lease

    def let_lease_run_out(self, job_id: str) -> None:
        self.client.zadd(self.keys.leased, {job_id: 1}, xx=True)

    def let_delay_pass(self, job_id: str) -> None:
        self.client.zadd(self.keys.delayed, {job_id: 1}, xx=True)

    def reason(self, job_id: str) -> Any:
        kept = self.client.hget(self.keys.error, job_id)
        return json.loads(str(kept)) if kept else None


@pytest.fixture(params=["real", "fake", "async"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "fake":
        fake = fakeredis.FakeRedis(decode_responses=True)
        yield Store(RedisQueue(fake, KEYS), fake)
        return
    real: Redis = request.getfixturevalue("real_redis")
    if request.param == "real":
        yield Store(RedisQueue(real, KEYS), real)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    loop = asyncio.new_event_loop()
    client = AsyncRedis(server.url)
    yield Store(Blocking(AsyncRedisQueue(client, KEYS), loop), real)
    loop.run_until_complete(client.aclose())
    loop.close()


def test_enqueue_says_how_many_were_new_and_ignores_known_ids(store: Store) -> None:
    assert store.queue.enqueue([NewJob("a"), NewJob("b"), NewJob("a")]) == 2
    assert store.queue.enqueue([NewJob("b", '{"other": 1}'), NewJob("c")]) == 1
    assert [lease.payload for lease in store.queue.lease(3, TTL)] == ["{}", "{}", "{}"]


def test_a_finished_job_is_not_enqueued_again(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    lease = store.lease_one()
    store.queue.ack("a", lease.token, QueueState.DONE)
    assert store.queue.enqueue([NewJob("a")]) == 0
    assert store.queue.lease(1, TTL) == []


def test_more_jobs_than_one_call_takes_all_arrive(store: Store) -> None:
    assert store.queue.enqueue([NewJob(str(number)) for number in range(2500)]) == 2500
    assert store.queue.stats() == Stats(queued=2500)


def test_lower_priority_goes_first_and_then_the_order_of_arrival(store: Store) -> None:
    store.queue.enqueue([NewJob("late", priority=2), NewJob("x"), NewJob("y")])
    store.queue.enqueue([NewJob("first", priority=-4000), NewJob("last", priority=4000)])
    assert [lease.id for lease in store.queue.lease(9, TTL)] == ["first", "x", "y", "late", "last"]


def test_a_lease_returns_only_what_this_call_took(store: Store) -> None:
    store.queue.enqueue([NewJob("a"), NewJob("b"), NewJob("c")])
    assert [lease.id for lease in store.queue.lease(2, TTL)] == ["a", "b"]
    assert [lease.id for lease in store.queue.lease(2, TTL)] == ["c"]
    assert store.queue.lease(2, TTL) == []
    assert store.queue.lease(0, TTL) == []


def test_every_lease_has_a_token_of_its_own_and_its_payload(store: Store) -> None:
    store.queue.enqueue([NewJob("https://x.example/?q=ü", '{"title": "größer"}'), NewJob("b")])
    first, second = store.queue.lease(2, TTL)
    assert (first.id, first.payload) == ("https://x.example/?q=ü", '{"title": "größer"}')
    assert first.token != second.token
    assert first.attempt == second.attempt == 1


def test_a_delayed_job_is_queued_but_not_leased_before_its_time(store: Store) -> None:
    store.queue.enqueue([NewJob("later", delay=100)])
    assert store.queue.lease(1, TTL) == []
    assert store.queue.stats() == Stats(queued=1, delayed=1)
    store.let_delay_pass("later")
    assert store.lease_one().id == "later"


@pytest.mark.parametrize("state", [QueueState.DONE, QueueState.SKIPPED, QueueState.ERROR])
def test_of_an_ended_job_only_its_state_stays_and_the_reason(
    store: Store, state: QueueState
) -> None:
    store.queue.enqueue([NewJob("a", priority=3)])
    store.queue.fail_and_retry("a", store.lease_one().token, "boom", delay=0)
    store.let_delay_pass("a")
    reason = None if state is QueueState.DONE else "no such page"
    store.queue.ack("a", store.lease_one().token, state, reason)

    assert store.client.hgetall(KEYS.state) == {"a": str(state)[0]}
    assert store.reason("a") == (reason and {"reason": reason, "attempts": 2})
    left = {key for key in KEYS.all() if store.client.exists(key)}
    # The payload of one that failed is kept: it may be queued anew.
    kept = {KEYS.payload} if state is QueueState.ERROR else set()
    assert left <= {KEYS.state, KEYS.error, KEYS.counts, KEYS.fence, *kept}
    assert store.queue.stats() == Stats(**{str(state): 1})


def test_a_failed_attempt_is_counted_and_comes_back_after_its_delay(store: Store) -> None:
    store.queue.enqueue([NewJob("a", priority=7)])
    lease = store.lease_one()
    store.queue.fail_and_retry("a", lease.token, "timeout", delay=100)
    assert store.queue.lease(1, TTL) == []
    assert store.queue.stats() == Stats(queued=1, delayed=1)
    store.let_delay_pass("a")
    store.queue.enqueue([NewJob("b", priority=6), NewJob("c", priority=8)])
    leases = store.queue.lease(3, TTL)
    assert [(lease.id, lease.attempt) for lease in leases] == [("b", 1), ("a", 2), ("c", 1)]


def test_released_jobs_come_first_again_and_the_attempt_is_not_counted(store: Store) -> None:
    store.queue.enqueue([NewJob("a"), NewJob("b"), NewJob("c")])
    leases = store.queue.lease(2, TTL)
    assert store.queue.release({lease.id: lease.token for lease in leases}) == []
    assert store.queue.stats() == Stats(queued=3)
    again = store.queue.lease(3, TTL)
    assert [(lease.id, lease.attempt) for lease in again] == [("a", 1), ("b", 1), ("c", 1)]
    assert again[0].token != leases[0].token


def test_a_lease_that_ran_out_goes_to_the_next_and_counts_as_an_attempt(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    first = store.lease_one()
    store.let_lease_run_out("a")
    second = store.lease_one()
    assert (second.id, second.attempt) == ("a", 2)
    with pytest.raises(LeaseLost):
        store.queue.ack("a", first.token, QueueState.DONE)
    store.queue.ack("a", second.token, QueueState.DONE)
    assert store.queue.stats() == Stats(done=1)


def test_a_lease_of_none_still_takes_back_what_ran_out(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    store.lease_one()
    store.let_lease_run_out("a")
    assert store.queue.lease(0, TTL) == []
    assert store.queue.stats() == Stats(queued=1)


def test_giving_back_a_second_attempt_keeps_the_first_one_counted(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    store.lease_one()
    store.let_lease_run_out("a")
    store.queue.release({"a": store.lease_one().token})
    assert store.lease_one().attempt == 2


def test_a_job_whose_leases_ran_out_too_often_ends_as_error_with_the_reason(store: Store) -> None:
    store.queue.enqueue([NewJob("poison")])
    for attempt in (1, 2):
        assert store.lease_one(max_attempts=2).attempt == attempt
        store.let_lease_run_out("poison")
    assert store.queue.lease(1, TTL, max_attempts=2) == []
    assert store.queue.stats() == Stats(error=1)
    assert store.reason("poison") == {"reason": "lease ran out 2 times", "attempts": 2}


def test_an_error_before_the_lease_ran_out_is_part_of_the_reason(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    store.queue.fail_and_retry("a", store.lease_one().token, "connection reset", delay=0)
    store.let_delay_pass("a")
    store.lease_one()
    store.let_lease_run_out("a")
    store.queue.lease(1, TTL, max_attempts=2)
    assert store.reason("a")["reason"] == "lease ran out at attempt 2; before: connection reset"


def test_fail_ends_the_job_as_error(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    store.queue.fail("a", store.lease_one().token, "HTTP 404")
    assert store.queue.stats() == Stats(error=1)
    assert store.reason("a") == {"reason": "HTTP 404", "attempts": 1}


def test_nobody_without_the_current_token_ends_or_gives_back_a_job(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    token = store.lease_one().token
    for job_id, wrong in (("a", "999"), ("unknown", token)):
        with pytest.raises(LeaseLost):
            store.queue.ack(job_id, wrong, QueueState.DONE)
        with pytest.raises(LeaseLost):
            store.queue.fail_and_retry(job_id, wrong, "boom", delay=0)
        assert store.queue.release({job_id: wrong}) == [job_id]
        assert store.queue.extend({job_id: wrong}, TTL) == [job_id]
    assert store.queue.stats() == Stats(in_progress=1)


def test_a_lease_that_ran_out_is_never_revived(store: Store) -> None:
    """Also before anybody has reaped it."""
    store.queue.enqueue([NewJob("a")])
    token = store.lease_one().token
    store.let_lease_run_out("a")
    assert store.queue.extend({"a": token}, TTL) == ["a"]
    assert store.queue.release({"a": token}) == ["a"]
    for verb in (
        lambda: store.queue.ack("a", token, QueueState.DONE),
        lambda: store.queue.fail_and_retry("a", token, "boom", delay=0),
        lambda: store.queue.commit("a", token, new_jobs=[NewJob("b")]),
    ):
        with pytest.raises(LeaseLost):
            verb()
    assert store.queue.stats() == Stats(in_progress=1)


def test_extend_moves_the_end_of_the_lease_by_the_servers_clock(store: Store) -> None:
    store.queue.enqueue([NewJob("a"), NewJob("b")])
    tokens = {lease.id: lease.token for lease in store.queue.lease(2, 5)}
    before = store.client.zscore(KEYS.leased, "a")
    assert store.queue.extend({**tokens, "b": "0"}, 500) == ["b"]
    after = store.client.zscore(KEYS.leased, "a")
    assert 490_000 < after - before < 505_000
    assert store.queue.extend({}, 500) == []


def test_a_commit_writes_result_new_jobs_and_ack_together(store: Store) -> None:
    store.queue.enqueue([NewJob("a"), NewJob("known")])
    lease = store.lease_one()
    result = Result('{"title": "ü"}', "results", "waiting", {"site": "books", "id": "a"})
    new = store.queue.commit(
        "a", lease.token, result=result, new_jobs=[NewJob("known"), NewJob("b"), NewJob("c")]
    )
    assert new == 2
    assert store.queue.stats() == Stats(queued=3, done=1)
    ((_, entry),) = store.client.xrange("results")
    size = len('{"title": "ü"}'.encode())
    body = {"body": '{"title": "ü"}', "bytes": str(size)}
    assert entry == {**body, "site": "books", "id": "a"}
    assert store.client.get("waiting") == str(size)


def test_a_commit_without_the_current_token_writes_nothing(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    stale = store.lease_one()
    store.let_lease_run_out("a")
    store.lease_one()
    result = Result("{}", "results", "waiting")
    with pytest.raises(LeaseLost):
        store.queue.commit("a", stale.token, result=result, new_jobs=[NewJob("b")])
    assert store.client.exists("results", "waiting") == 0
    assert store.queue.stats() == Stats(in_progress=1)


def test_a_commit_with_more_new_jobs_than_a_call_takes_loses_none(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    links = [NewJob(str(number)) for number in range(2300)]
    assert store.queue.commit("a", store.lease_one().token, new_jobs=links) == 2300
    assert store.queue.stats() == Stats(queued=2300, done=1)


def test_a_queue_never_knows_more_ids_than_it_may(store: Store) -> None:
    assert store.queue.enqueue([NewJob(str(number)) for number in range(5)], most=3) == 3
    lease = store.lease_one()
    links = [NewJob("1"), NewJob("x"), NewJob("2"), NewJob("y")]
    assert store.queue.commit(lease.id, lease.token, new_jobs=links, most=4) == 1
    assert store.queue.stats() == Stats(queued=3, done=1, refused=3)
    lease = store.lease_one()
    assert store.queue.commit(lease.id, lease.token, new_jobs=[NewJob("0")], most=2) == 0
    assert store.queue.stats() == Stats(queued=2, done=2, refused=3)


def test_a_bound_holds_over_the_pieces_of_a_long_list(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    links = [NewJob(str(number)) for number in range(2300)]
    token = store.lease_one().token
    assert store.queue.commit("a", token, new_jobs=links, most=1500) == 1499
    assert store.queue.stats().total == 1500


def test_a_job_cannot_be_committed_as_unfinished(store: Store) -> None:
    with pytest.raises(ValueError, match="in_progress"):
        store.queue.commit("a", "1", state=QueueState.IN_PROGRESS)


def test_nothing_is_leased_while_too_much_waits_elsewhere(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    store.client.set("waiting", 64)
    assert store.queue.lease(1, TTL, backlog=("waiting", 64)) == []
    store.client.decrby("waiting", 1)
    assert store.lease_one(backlog=("waiting", 64)).id == "a"


def test_retiring_lets_every_key_expire(store: Store) -> None:
    store.queue.enqueue([NewJob("a"), NewJob("b", priority=1), NewJob("c", delay=9)])
    store.queue.fail_and_retry("a", store.lease_one().token, "boom", delay=9)
    store.queue.fail("b", store.lease_one().token, "boom")
    store.queue.retire(100)
    kept = store.client.keys()
    assert kept
    assert all(0 < store.client.ttl(key) <= 100 for key in kept)


def test_a_server_that_lost_its_scripts_is_told_them_again(store: Store) -> None:
    store.queue.enqueue([NewJob("a")])
    store.client.script_flush()
    assert store.lease_one().id == "a"
