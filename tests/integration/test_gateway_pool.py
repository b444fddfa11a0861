"""What the gateway reads of the pool, and what the pool hears of it: with a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.core.redis_async import AsyncRedis
from proxies.gateway.choice import Want
from proxies.gateway.news import News
from proxies.gateway.reading import Reading
from proxies.gateway.route import ANY, Route
from proxies.gateway.supply import PoolSupply
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool import ledger as ledgers
from proxies.pool.ledger import Ledger
from proxies.pool.odds import Tally
from proxies.pool.picker import Outcome, Picker
from proxies.pool.pool import Pool, Record
from tests.support.redis_server import RedisServer

KEYS = Keys("test:")


@pytest.fixture
def pool(real_redis: Redis) -> Pool:
    return Pool(real_redis, KEYS)


def fill(pool: Pool, count: int, host: str = "10.0.0.{}") -> list[Proxy]:
    """Put so many into the pool, the first one quickest; even ones leave from another country."""
    seconds, _ = pool.redis.time()
    proxies = [Proxy("http", host.format(number), 80) for number in range(count)]
    pool.replace(
        [
            Verdict(proxy, seconds, anonymity=Anonymity.ELITE, exit_ip="x", latency_ms=10 + number)
            for number, proxy in enumerate(proxies)
        ]
    )
    return proxies


def country(record: Record) -> str:
    return "de" if int(record.proxy.host.rpartition(".")[2]) % 2 == 0 else "fr"


def play(server: RedisServer, scene: Callable[[PoolSupply], Coroutine[None, None, None]]) -> None:
    """Run `scene` with a supply over this server."""

    async def run() -> None:
        redis: AsyncRedis = AsyncRedis(server.url)
        picker = Picker(redis, KEYS, 1e9)
        news = News(redis, Ledger(KEYS, 60.0), picker)
        time = asyncio.get_running_loop().time
        supply = PoolSupply(Reading(redis, KEYS), 1e9, picker, news, country, time)
        telling = asyncio.create_task(news.tell())
        try:
            await supply.look()
            async with asyncio.timeout(30):
                await scene(supply)
        finally:
            telling.cancel()
            await redis.aclose()

    asyncio.run(run())


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  (in Redis nothing wakes us)
        await asyncio.sleep(0.01)


def test_the_pool_hears_of_any_of_many_that_it_failed_and_that_it_works_again(
    redis_server: RedisServer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "REST_S", 0.05)
    last = fill(pool, 100)[-1]  # no picking of a few would come to this one

    async def scene(supply: PoolSupply) -> None:
        others = [one for one in supply.choice.standings if one.record.proxy != last]

        async def used(outcome: Outcome) -> int:
            pick = await supply.pick(Want(ANY, "a.test", sealed=False), others)
            assert pick is not None
            assert pick.standing.record.proxy == last
            supply.report(pick, outcome, 0.5)
            await supply.look()
            return pick.standing.record.failures

        await used(Outcome.FAILED)
        await until(lambda: pool.redis.hexists(KEYS.pool_failures(), last.key))
        await supply.look()
        assert others[0].record.failures == 0
        while await used(Outcome.OK):  # noqa: ASYNC110  (one that rests is not to be had)
            await asyncio.sleep(0.01)
        assert not pool.redis.hexists(KEYS.pool_failures(), last.key)
        tally = Tally.read(str(pool.redis.hget(KEYS.pool_odds(), last.key)))
        assert (tally.ok_s, tally.failed_s) == pytest.approx((0.5, 0.5), abs=0.01)

    play(redis_server, scene)


def test_who_is_in_the_pool_is_read_again_when_that_has_changed(
    redis_server: RedisServer, pool: Pool
) -> None:
    fill(pool, 3)

    async def scene(supply: PoolSupply) -> None:
        pool.redis.hset(KEYS.pool(), "http://not.read:1", "no JSON")
        await supply.look()
        assert len(supply.choice.standings) == 3
        fill(pool, 5, "10.1.0.{}")
        await supply.look()
        assert [one.record.proxy.host for one in supply.choice.standings][:2] == [
            "10.1.0.0",
            "10.1.0.1",
        ]
        assert supply.counts()["generation"] == 2

    play(redis_server, scene)


def test_for_a_site_the_pool_picks_among_those_that_serve(
    redis_server: RedisServer, pool: Pool
) -> None:
    fill(pool, 40)

    async def scene(supply: PoolSupply) -> None:
        want = Want(Route("books", None, "fr"), "a.test", sealed=False)
        found = []
        for _ in range(20):
            pick = await supply.pick(want, [])
            assert pick is not None
            assert country(pick.standing.record) == "fr"
            found.append(pick.standing.record.proxy)
            supply.report(pick, Outcome.BANNED, 0.2)
            facts = KEYS.pool_site("books", "facts")
            await until(lambda: pool.redis.hget(facts, "banned") == f"{len(found)}")  # noqa: B023
        assert len(set(found)) == 20  # each was banned there
        assert await supply.pick(want, []) is None
        other = await supply.pick(want._replace(route=Route("films")), [])
        assert other is not None

    play(redis_server, scene)
