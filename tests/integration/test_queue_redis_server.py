"""What happens to a queue when its server is killed, forgets its scripts, or holds an older queue."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.core.errors import ConfigError, LeaseLost, RedisUnavailable, Unavailable
from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.queue.model import Limits, NewJob, QueueState, Stats
from orchestrator.queue.open import open_queue
from orchestrator.queue.redis import RedisQueue
from orchestrator.queue.redis_store import RedisStore, open_store
from tests.support.ports import free_port
from tests.support.queue_place import TTL, add, check_the_counts, counted, one, until
from tests.support.redis_server import RedisServer

KEYS = Keys().queue("jobs")
FORK = multiprocessing.get_context("fork")


# durability


def test_a_server_that_is_killed_loses_nothing_that_was_answered(server: RedisServer) -> None:
    with open_store(server.url, create=True) as store:
        store.set_limits(Limits({"k": 30}, per_host=9))
        jobs = [NewJob(str(n), key="k", host=f"h{n % 9}", delay=n % 2 * TTL) for n in range(600)]
        store.enqueue(jobs)
        held = store.lease(25, TTL)
        store.ack(held[0].token, QueueState.DONE, result="1")
        store.retry(held[1].token, "boom", TTL)
        store.commit(held[2].token, QueueState.DONE, new_jobs=[NewJob("new")])
        before = (counted(store), [store.job(job.id) for job in jobs], store.limits())

        server.kill()
        with pytest.raises(RedisUnavailable) as refused:
            store.stats()
        assert refused.value.exit_code == 3
        server.start()

        assert (counted(store), [store.job(job.id) for job in jobs], store.limits()) == before
        assert store.heartbeat([lease.token for lease in held[3:]], TTL) == []
        assert len(store.lease(50, TTL)) == 8 + 1
        with pytest.raises(LeaseLost):
            store.ack(held[0].token, QueueState.DONE)
        check_the_counts(store)


def test_a_server_that_lost_its_scripts_is_told_them_again(real_redis: Redis) -> None:
    store = RedisStore(real_redis, KEYS)
    add(store, "a")
    real_redis.script_flush()
    token = one(store).token
    real_redis.script_flush()
    store.ack(token, QueueState.DONE)
    real_redis.script_flush()
    assert counted(store) == {"done": 1}


def test_a_commit_whose_new_jobs_are_refused_does_not_end_the_job(real_redis: Redis) -> None:
    """An error in a script undoes nothing of it: the end of the job must come last."""
    store = RedisStore(real_redis, KEYS)
    add(store, "a")
    token = one(store).token
    real_redis.delete(KEYS.free)
    real_redis.hset(KEYS.counts, "lanes", 2**23)  # there is no room for another lane
    with pytest.raises(RedisUnavailable, match="more than"):
        store.commit(token, QueueState.DONE, result="1", new_jobs=[NewJob("b")])
    assert counted(store) == {"in_progress": 1}
    real_redis.hset(KEYS.counts, "lanes", 1)
    assert store.commit(token, QueueState.DONE, result="1", new_jobs=[NewJob("b")]) == 1
    assert counted(store) == {"done": 1, "queued": 1}
    check_the_counts(store)


def test_what_cannot_be_sent_is_no_outage(real_redis: Redis) -> None:
    """Nobody is to wait for another answer."""
    store = RedisStore(real_redis, KEYS)
    add(store, "a")
    token = one(store).token
    with pytest.raises(ValueError, match="not sent to Redis"):
        store.ack(token, QueueState.DONE, result={"a": 1})  # type: ignore[arg-type]
    store.ack(token, QueueState.DONE, result='{"a": 1}')
    assert counted(store) == {"done": 1}


def test_who_waits_goes_on_waiting_when_the_server_comes_back(server: RedisServer) -> None:
    with open_store(server.url, create=True) as store, open_store(server.url, create=True) as other:
        assert not store.wakes(0.01)
        server.kill()
        server.start()

        def woken() -> bool:
            try:
                return store.wakes(0.1)
            except RedisUnavailable:
                return False

        until(lambda: not woken())  # whatever it missed meanwhile
        with ThreadPoolExecutor() as pool:
            waits = pool.submit(store.wakes, 20)
            until(waits.running)
            add(other, "a")
            assert waits.result()


def test_no_key_expires(real_redis: Redis) -> None:
    store = RedisStore(real_redis, KEYS)
    store.set_limits(Limits(every_key=1, per_host=1))
    store.enqueue([NewJob(str(n), key="k", host="h", delay=n // 8 * TTL) for n in range(10)])
    store.retry(one(store).token, "boom", 0)
    one(store)
    store.lease(1, TTL)
    found = real_redis.keys()
    assert len(found) > 15
    assert {real_redis.ttl(key) for key in found} == {-1}
    assert set(found) <= set(KEYS.all())


def test_a_queue_needs_no_key_and_no_channel_but_its_own(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    real_redis.acl_setuser(
        "clerk",
        enabled=True,
        passwords=["+secret"],
        keys=["queue:mine:*"],
        channels=["queue:mine:*"],
        commands=["+@all", "-keys", "-scan"],
    )
    with open_store(f"unix://clerk:secret@{redis_server.socket}#mine", create=True) as store:
        store.set_limits(Limits(every_key=2))
        add(store, "a", "b", "c", key="k", host="h")
        token = one(store).token
        store.heartbeat([token], TTL)
        store.commit(token, QueueState.ERROR, new_jobs=[NewJob("d")])
        store.release([one(store).token])
        assert store.retry_failed() == ["a"]
        store.cancel(["b"])
        store.wakes(0)
        store.jobs()
        until(lambda: store.prune(0))
        check_the_counts(store)
    real_redis.acl_deluser("clerk")


# opening


def test_two_queues_in_one_server_know_nothing_of_each_other(redis_server: RedisServer) -> None:
    with open_store(redis_server.url + "#one", create=True) as first:
        add(first, "a")
        with open_store(redis_server.url + "#two", create=True) as second:
            add(second, "a", "b")
            assert (counted(first), counted(second)) == ({"queued": 1}, {"queued": 2})
            with open_store(redis_server.url + "#two", create=False) as again:
                assert one(again).id == "a"


def test_a_queue_that_is_not_there_is_not_made(
    real_redis: Redis, redis_server: RedisServer
) -> None:
    with pytest.raises(Unavailable) as refused:
        open_queue(redis_server.url + "#none", create=False)
    assert refused.value.exit_code == 3
    assert str(refused.value) == f"no queue none in {redis_server.url}"
    assert "orch queue" in refused.value.hint
    assert real_redis.keys() == []


def test_a_password_is_not_told(redis_server: RedisServer) -> None:
    with pytest.raises(Unavailable) as refused:
        open_queue(f"unix://default:pst@{redis_server.socket}?db=3", create=False)
    assert "pst" not in str(refused.value)


def test_a_server_that_does_not_answer_is_told() -> None:
    with pytest.raises(RedisUnavailable) as refused:
        open_queue(f"redis://127.0.0.1:{free_port()}/0")
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("url", ["redis://x:port/0", "redis://[::1/0", "redis://localhost:99999/0"])
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        open_queue(url)
    assert url in str(refused.value)


def test_a_fork_has_connections_of_its_own(redis_server: RedisServer, real_redis: Redis) -> None:
    with open_store(redis_server.url, create=True) as store:
        add(store, "a", "b")
        store.wakes(0)
        child = FORK.Process(target=_take_in_a_fork, args=(store,))
        child.start()
        child.join(20)
        assert child.exitcode == 0
        until(lambda: not store.wakes(0.01))
        assert one(store).id == "b"


def _take_in_a_fork(store: RedisStore) -> None:
    told = store.wakes(0)  # a new subscription: there is work
    os._exit(0 if told and one(store).id == "a" else 1)


# frontiers of an older version


def test_a_frontier_of_an_older_version_goes_on(real_redis: Redis) -> None:
    """As it was written before there were queues of people's jobs."""
    keys = Keys().frontier("books", "0123456789ab")
    redis = real_redis
    redis.hset(keys.state, mapping={"a": "q", "b": "i", "c": "q", "d": "d", "e": "e", "f": "q"})
    redis.hset(keys.payload, mapping=dict.fromkeys("abcf", '{"depth": 1}'))
    redis.zadd(keys.ready, {"a": 7, "f": 3 * 2**40 + 2})
    redis.hset(keys.priority, mapping={"f": "3"})
    redis.zadd(keys.delayed, {"c": 1})
    redis.zadd(keys.leased, {"b": 2**52})
    redis.hset(keys.token, mapping={"b": "9"})
    redis.hset(keys.attempts, mapping={"b": 2, "c": 1})
    redis.hset(keys.last_error, mapping={"c": "boom"})
    redis.hset(keys.error, mapping={"e": '{"reason":"HTTP 404","attempts":1}'})
    redis.hset(keys.counts, mapping={"done": 1, "error": 1, "refused": 2})
    redis.set(keys.fence, 11)

    queue = RedisQueue(redis, keys)
    assert queue.stats() == Stats(3, 1, 1, 1, 0, 1, 2)
    assert queue.extend({"b": "9"}, TTL) == []
    assert queue.commit("b", "9", new_jobs=[NewJob("d"), NewJob("g")]) == 1
    leases = queue.lease(9, TTL)
    tried = [(lease.id, lease.attempt) for lease in leases]
    assert tried == [("a", 1), ("g", 1), ("c", 2), ("f", 1)]
    assert len({lease.token for lease in leases} - {"9"}) == 4


def test_a_frontier_has_no_other_keys_than_an_older_version_knows(real_redis: Redis) -> None:
    keys = Keys().frontier("books", "0123456789ab")
    queue = RedisQueue(real_redis, keys)
    queue.enqueue([NewJob("a"), NewJob("b", priority=1), NewJob("c", delay=TTL)])
    for lease in queue.lease(1, TTL):
        queue.fail_and_retry(lease.id, lease.token, "boom", delay=TTL)
    for lease in queue.lease(1, TTL):
        queue.fail(lease.id, lease.token, "boom")
    names = (
        "ready delayed leased payload attempts token state error counts fence priority last_error"
    )
    known = {f"scrape_books:0123456789ab:frontier:{name}" for name in names.split()}
    assert set(real_redis.keys()) <= known
