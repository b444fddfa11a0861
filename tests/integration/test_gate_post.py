"""Permits that are given back without waiting for the server: what is lost on the way is made up for."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.redis import Redis, connect
from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import Ask, Grant, Report, Verdict
from orchestrator.gate.shared import RedisStore
from tests.support.gate_place import HOST, KEYS, SITE, forked
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer

#: Nobody else frees a slot while a test runs.
ONE = Limits(rate=0, slots=1, lease_s=600)
OK = Report(Verdict.OK, 0.1)


@pytest.fixture
def store(redis_server: RedisServer, real_redis: Redis, patient: None) -> Iterator[RedisStore]:
    del real_redis, patient  # it is empty, and what is slow is not away
    made = RedisStore(redis_server.url, KEYS, "test:1")
    yield made
    made.close()


def granted(store: RedisStore) -> Grant:
    answer = store.enter(Ask(SITE, HOST, store.holder(HOST)), ONE)
    assert isinstance(answer, Grant), answer
    return answer


def holders(redis: Redis) -> list[str]:
    return [str(holder) for holder in redis.zrange(KEYS.gate(SITE, "slots"), 0, -1)]


def judged(redis: Redis) -> int:
    """How many good reports the breaker has counted."""
    known = redis.hgetall(KEYS.gate(SITE, "state"))
    return sum(int(value.split()[1]) for name, value in known.items() if name.startswith("w"))


def halt(server: RedisServer) -> None:
    """Stop it, and see that it stands still: what is sent from now on it does not read."""
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)
    stat = Path(f"/proc/{server.process.pid}/stat")
    eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


def go_on(server: RedisServer) -> None:
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGCONT)


def test_it_is_done_though_nobody_asks_again(store: RedisStore, real_redis: Redis) -> None:
    store.post(granted(store), OK, ONE)
    eventually(lambda: holders(real_redis) == [])
    assert judged(real_redis) == 1


def test_who_asks_next_finds_it_done(store: RedisStore, real_redis: Redis) -> None:
    for _ in range(300):
        store.post(granted(store), OK, ONE)
    store.beat([SITE])
    assert judged(real_redis) == 300


def test_it_is_not_waited_for(store: RedisStore, redis_server: RedisServer) -> None:
    held = granted(store)
    halt(redis_server)
    try:
        began = time.monotonic()
        store.post(held, OK, ONE)
        assert time.monotonic() - began < 5  # who waits for it, waits for 10 s
    finally:
        go_on(redis_server)
    granted(store)


@pytest.mark.parametrize("then", ["enter", "beat", "close"])
def test_a_server_that_lost_the_script_is_told_once_more(
    store: RedisStore, real_redis: Redis, then: str
) -> None:
    held = granted(store)
    real_redis.script_flush()
    store.post(held, OK, ONE)
    if then == "enter":
        store.leave(granted(store), OK, ONE)
        assert judged(real_redis) == 2
    elif then == "beat":
        store.beat([SITE])
        assert judged(real_redis) == 1
    else:
        store.close()
        assert judged(real_redis) == 1
    assert holders(real_redis) == []


def test_what_a_killed_server_never_read_is_made_up_for(
    store: RedisStore, redis_server: RedisServer
) -> None:
    store.post(granted(store), OK, ONE)
    held = granted(store)
    halt(redis_server)
    store.post(held, OK, ONE)
    redis_server.kill()
    redis_server.start()
    with connect(redis_server.url) as redis:
        assert holders(redis) == [held.ask.holder], "it was not lost, and the test proves nothing"
        store.beat([SITE])
        assert holders(redis) == []
    granted(store)


def test_what_a_server_that_hangs_did_not_take_is_made_up_for_when_it_goes_on(
    store: RedisStore, redis_server: RedisServer, real_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 5.0)
    held = granted(store)
    halt(redis_server)
    try:
        store.post(held, OK, ONE)
        with pytest.raises(RedisUnavailable):
            store.beat([SITE])
    finally:
        go_on(redis_server)
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 10)
    store.beat([SITE])
    assert holders(real_redis) == []


def test_what_is_refused_fails_nobody_and_is_tried_until_it_is_taken(
    store: RedisStore, real_redis: Redis
) -> None:
    store.post(granted(store), OK, ONE)
    held = granted(store)
    kept = real_redis.dump(KEYS.gate(SITE, "slots"))
    real_redis.delete(KEYS.gate(SITE, "slots"))
    real_redis.lpush(KEYS.gate(SITE, "slots"), "of somebody else")
    store.post(held, OK, ONE)
    for _ in range(3):
        store.look(SITE)
    real_redis.restore(KEYS.gate(SITE, "slots"), 0, kept, replace=True)
    assert holders(real_redis) == [held.ask.holder]
    store.look(SITE)
    assert holders(real_redis) == []


def test_a_fork_does_not_wait_for_the_answer_of_another_process(
    store: RedisStore, real_redis: Redis
) -> None:
    store.leave(granted(store), OK, ONE)
    store.post(granted(store), OK, ONE)

    def work() -> None:
        store.post(granted(store), OK, ONE)
        store.close()

    assert forked(work) == 0
    store.post(granted(store), OK, ONE)
    store.beat([SITE])
    assert judged(real_redis) == 4
    assert holders(real_redis) == []
