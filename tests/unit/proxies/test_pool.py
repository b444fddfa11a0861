"""The pool in Redis, over a real server and a fake one."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from proxies.model import Anonymity, Proxy, Verdict, parse
from proxies.pool.pool import EVICTED_AT, Pool

KEYS = Keys("test:")


@pytest.fixture
def pool(any_redis: Redis) -> Pool:
    return Pool(any_redis, KEYS)


def verdict(pool: Pool, text: str, *, age: float = 0.0, **changes: object) -> Verdict:
    now = pool.redis.time()[0] + pool.redis.time()[1] / 1e6
    made = Verdict(
        parse(text),
        round(now - age, 3),
        anonymity=Anonymity.ELITE,
        exit_ip="127.0.0.9",
        latency_ms=10,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def usable(pool: Pool) -> list[Proxy]:
    return [record.proxy for record in pool.usable(1800)]


def test_usable_is_live_fresh_and_not_transparent(pool: Pool) -> None:
    pool.replace(
        [
            verdict(pool, "http://ann:pw@10.0.0.1:80"),
            verdict(pool, "10.0.0.2:80", anonymity=Anonymity.ANONYMOUS),
            verdict(pool, "10.0.0.3:80", anonymity=Anonymity.TRANSPARENT),
            verdict(pool, "10.0.0.4:80", reason="no answer in time"),
            verdict(pool, "10.0.0.5:80", age=1900),
        ]
    )

    assert usable(pool) == [parse("http://ann:pw@10.0.0.1:80"), parse("10.0.0.2:80")]
    counts = pool.counts(1800)
    assert (counts["live"], counts["usable"], counts["generation"]) == (4, 2, 1)
    assert counts["refreshed_at"] > 0


def test_a_new_pool_takes_the_place_of_the_old_one_even_when_it_is_empty(pool: Pool) -> None:
    pool.replace([verdict(pool, "10.0.0.1:80")])

    assert pool.replace([]) == 2
    assert usable(pool) == []


def test_the_pool_and_its_keys_have_no_ttl_and_nothing_else_is_left(pool: Pool) -> None:
    pool.replace([verdict(pool, f"10.0.{n // 250}.{n % 250}:80") for n in range(1200)])

    assert pool.counts(1800)["live"] == 1200
    left = {str(key): pool.redis.ttl(key) for key in pool.redis.keys("*")}
    assert left == {KEYS.pool(): -1, KEYS.pool_meta(): -1}


def test_a_generation_is_above_every_one_that_was_seen(pool: Pool) -> None:
    assert pool.replace([], floor=41) == 42
    assert pool.replace([], floor=7) == 43


@pytest.mark.parametrize("rest", ["", " 1000000 1000100"])
def test_who_failed_too_often_in_a_row_is_not_usable(pool: Pool, rest: str) -> None:
    # An older version wrote the number of failures alone.
    one, two = verdict(pool, "10.0.0.1:80"), verdict(pool, "10.0.0.2:80")
    pool.replace([one, two])

    pool.redis.hset(KEYS.pool_failures(), one.proxy.key, f"{EVICTED_AT}{rest}")
    pool.redis.hset(KEYS.pool_failures(), two.proxy.key, f"{EVICTED_AT - 1}{rest}")

    assert usable(pool) == [two.proxy]
    assert [record.failures for record in pool.state().records] == [EVICTED_AT, EVICTED_AT - 1]


@pytest.mark.parametrize("rest", ["", " 1000000 1000100"])
def test_one_that_was_evicted_is_not_counted_out_twice(pool: Pool, rest: str) -> None:
    one, two = verdict(pool, "10.0.0.1:80"), verdict(pool, "10.0.0.2:80")
    pool.replace([one, two])
    pool.redis.hset(KEYS.pool_failures(), one.proxy.key, f"{EVICTED_AT}{rest}")
    pool.redis.hset(KEYS.pool_meta(), "usable", 1)

    pool.remove(one.proxy)

    assert pool.redis.hget(KEYS.pool_meta(), "usable") == "1"


def test_a_proxy_that_is_found_good_again_has_a_clean_slate(pool: Pool) -> None:
    one = verdict(pool, "10.0.0.1:80")
    pool.replace([one])
    pool.redis.hset(KEYS.pool_failures(), one.proxy.key, f"{EVICTED_AT} 0 0")

    pool.replace([one])

    assert usable(pool) == [one.proxy]


def test_added_proxies_are_remembered_and_removed_ones_forgotten(pool: Pool) -> None:
    one = verdict(pool, "http://ann:pw@10.0.0.1:80")
    pool.replace([one])

    assert pool.add([one.proxy, parse("10.0.0.2:80")]) == 2
    assert pool.add([one.proxy]) == 0
    assert set(pool.added()) == {one.proxy, parse("10.0.0.2:80")}
    assert pool.remove(parse("http://ann:other@10.0.0.1:80"))
    assert not pool.remove(one.proxy)
    assert pool.added() == [parse("10.0.0.2:80")]
    assert usable(pool) == []
    assert pool.redis.hget(KEYS.pool_meta(), "usable") == "0"
