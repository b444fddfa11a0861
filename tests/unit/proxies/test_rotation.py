"""Picking proxies on the side of a shard."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis, connect_async
from proxies.model import Anonymity, Proxy, Verdict, parse
from proxies.pool import EVICTED_AT, Pool
from proxies.rotation import Rotation
from tests.support.redis_server import RedisServer

KEYS = Keys("test:")


@pytest.fixture
def pool(real_redis: Redis) -> Pool:
    return Pool(real_redis, KEYS)


def fill(pool: Pool, *hosts: str) -> list[Proxy]:
    now = float(pool.redis.time()[0])
    verdicts = [Verdict(parse(f"{host}:80"), now, anonymity=Anonymity.ELITE) for host in hosts]
    pool.replace(verdicts)
    return [verdict.proxy for verdict in verdicts]


def rotate(server: RedisServer, body: Callable[[Rotation], Awaitable[None]]) -> None:
    async def run() -> None:
        client = connect_async(server.url)
        try:
            await body(Rotation(client, KEYS, fresh_for=1800))
        finally:
            await client.aclose()

    asyncio.run(run())


def test_requests_are_spread_evenly(pool: Pool, redis_server: RedisServer) -> None:
    fill(pool, "10.0.0.1", "10.0.0.2", "10.0.0.3")

    async def body(rotation: Rotation) -> None:
        picked = [await rotation.pick("books") for _ in range(30)]
        assert set(Counter(map(str, picked)).values()) == {10}

    rotate(redis_server, body)


def test_the_one_with_the_fewest_requests_in_flight_is_next(
    pool: Pool, redis_server: RedisServer
) -> None:
    slow, quick = fill(pool, "10.0.0.1", "10.0.0.2")

    async def body(rotation: Rotation) -> None:
        while await rotation.pick("books") != slow:
            rotation.release(quick)
        for _ in range(5):
            assert await rotation.pick("books") == quick
            await rotation.report(quick, ok=True)

    rotate(redis_server, body)


def test_a_proxy_rests_after_a_failure_and_none_is_left_when_all_rest(
    pool: Pool, redis_server: RedisServer
) -> None:
    one, two = fill(pool, "10.0.0.1", "10.0.0.2")

    async def body(rotation: Rotation) -> None:
        await rotation.pick("books")
        await rotation.report(one, ok=False)
        assert {await rotation.pick("books") for _ in range(4)} == {two}
        await rotation.report(two, ok=False)
        assert await rotation.pick("books") is None

    rotate(redis_server, body)


def test_three_failures_in_a_row_evict_the_proxy_for_everybody(
    pool: Pool, redis_server: RedisServer
) -> None:
    one, two = fill(pool, "10.0.0.1", "10.0.0.2")

    async def body(rotation: Rotation) -> None:
        for _ in range(EVICTED_AT):
            await rotation.report(one, ok=False)

    rotate(redis_server, body)

    assert [record.proxy for record in pool.usable(1800)] == [two]


def test_a_success_ends_the_row_of_failures_that_another_shard_began(
    pool: Pool, redis_server: RedisServer
) -> None:
    (one,) = fill(pool, "10.0.0.1")
    for _ in range(EVICTED_AT - 1):
        pool.report(one, ok=False)

    async def body(rotation: Rotation) -> None:
        assert await rotation.pick("books") == one
        await rotation.report(one, ok=True)

    rotate(redis_server, body)

    assert pool.report(one, ok=False) == 1


def test_the_snapshot_is_at_most_a_second_old(pool: Pool, redis_server: RedisServer) -> None:
    (one,) = fill(pool, "10.0.0.1")

    async def body(rotation: Rotation) -> None:
        loop = asyncio.get_running_loop()
        assert await rotation.pick("books") == one
        (two,) = fill(pool, "10.0.0.2")
        changed = loop.time()
        while (picked := await rotation.pick("books")) != two:
            assert loop.time() - changed < 1.5
            if picked:
                rotation.release(picked)
            await asyncio.sleep(0.02)

    rotate(redis_server, body)


def test_an_empty_pool_gives_nothing(pool: Pool, redis_server: RedisServer) -> None:
    async def body(rotation: Rotation) -> None:
        assert await rotation.pick("books") is None

    rotate(redis_server, body)
