"""Pickers of several workers over one real pool, on a clock that tests set."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.core.redis import Redis, RedisError
from orchestrator.core.redis_async import AsyncRedis
from proxies.model import parse
from proxies.pool.appeal import Appeal, asked
from proxies.pool.board import SHORTLIST
from proxies.pool.ledger import COOL_S, EVICTED_AT, LONGEST_REST_S, SESSION_S
from proxies.pool.picker import MOST_SITES, SNAPSHOT_S, Lease, Outcome, Picker
from proxies.pool.pool import Pool
from tests.support.fake_clock import FakeClock
from tests.support.pool_home import KEYS, LEASE_S, PoolHome
from tests.support.redis_server import RedisServer
from tests.support.timed_scripts import TimedScripts

OK, BANNED, FAILED = Outcome.OK, Outcome.BANNED, Outcome.FAILED


class Workers:
    """Two workers with a picker each, and the clock of all."""

    def __init__(self, home: PoolHome, client: AsyncRedis) -> None:
        self.home = home
        self.client = client
        self._clock = FakeClock(home.now)
        self.one, self.two = self.picker(1), self.picker(2)

    def picker(self, seed: int = 1, *, minimum: int = 0) -> Picker:
        return Picker(
            self.client,
            KEYS,
            fresh_for=100_000.0,
            lease_s=LEASE_S,
            appeal=Appeal(self.client, KEYS, minimum, self._clock) if minimum else None,
            clock=self._clock,
            draw=random.Random(seed),
            scripts=TimedScripts(),
        )

    def wait(self, seconds: float) -> None:
        self.home.wait(seconds)
        self._clock.now += seconds

    async def ask(self, outcome: Outcome, site: str = "shop", *, times: int = 1) -> list[str]:
        """Make requests one after another; return through which proxies."""
        asked = []
        for _ in range(times):
            lease = await self.one.pick(site)
            assert lease is not None
            asked.append(lease.proxy.key)
            await self.one.report(lease, outcome, 1.0)
        return asked


@pytest.fixture
def home(real_redis: Redis) -> PoolHome:
    return PoolHome(real_redis)


@pytest.fixture
def run(
    home: PoolHome, redis_server: RedisServer
) -> Callable[[Callable[[Workers], Awaitable[None]]], None]:
    def run(body: Callable[[Workers], Awaitable[None]]) -> None:
        async def whole() -> None:
            client = AsyncRedis(redis_server.url)
            try:
                await body(Workers(home, client))
            finally:
                await client.aclose()

        asyncio.run(whole())

    return run


Run = Callable[[Callable[[Workers], Awaitable[None]]], None]


def test_an_empty_pool_gives_nothing(run: Run) -> None:
    async def body(workers: Workers) -> None:
        assert await workers.one.pick("shop") is None
        assert await workers.one.pick("shop", "ann") is None

    run(body)


def test_the_one_that_works_is_soon_used_above_all(home: PoolHome, run: Run) -> None:
    keys = home.fill(*(f"10.0.0.{n}:80" for n in range(1, 9)))

    async def body(workers: Workers) -> None:
        used: Counter[str] = Counter()
        for _ in range(200):
            if lease := await workers.one.pick("shop"):
                good = lease.proxy.key == keys[0]
                used[lease.proxy.key] += 1
                await workers.one.report(lease, OK if good else FAILED, 0.5 if good else 5.0)
            workers.wait(1)
        assert used[keys[0]] > 120

    run(body)


def test_what_one_worker_finds_out_holds_for_all_at_once(home: PoolHome, run: Run) -> None:
    home.fill("10.0.0.1:80")

    async def body(workers: Workers) -> None:
        mine, other = await workers.one.pick("shop"), await workers.two.pick("shop")
        assert mine  # both have a snapshot now
        assert other
        await workers.one.report(mine, BANNED)
        assert await workers.two.pick("shop") is None
        assert await workers.two.pick("books") is not None
        workers.wait(COOL_S + SNAPSHOT_S)
        assert await workers.two.pick("shop") is not None

    run(body)


def test_the_snapshot_is_at_most_a_second_old(home: PoolHome, run: Run) -> None:
    home.fill("10.0.0.1:80")

    async def body(workers: Workers) -> None:
        assert await workers.one.pick("shop")
        (new,) = home.fill("10.0.0.2:80")
        workers.wait(SNAPSHOT_S)
        lease = await workers.one.pick("shop")
        assert lease
        assert lease.proxy.key == new

    run(body)


def test_a_proxy_that_leaves_while_a_worker_knows_two_sites_is_no_error(
    home: PoolHome, run: Run
) -> None:
    home.fill("10.0.0.1:80", "10.0.0.2:80")

    async def body(workers: Workers) -> None:
        for site in ("shop", "books"):
            assert await workers.one.pick(site)
        Pool(home.redis, KEYS).remove(parse("10.0.0.1:80"))
        workers.wait(SNAPSHOT_S)
        for site in ("shop", "books", "shop"):
            lease = await workers.one.pick(site)
            assert lease
            assert lease.proxy == parse("10.0.0.2:80")

    run(body)


def test_when_others_have_all_that_is_offered_more_is_offered(home: PoolHome, run: Run) -> None:
    keys = home.fill(*(f"10.0.0.{n}:80" for n in range(1, 2 * SHORTLIST)))
    for _ in range(3):
        home.ask(keys[-1], OK)
    home.ask(keys[-1], BANNED)  # from now on one request at a time

    async def body(workers: Workers) -> None:
        assert await workers.two.pick("shop")
        mine = [await workers.one.pick("shop") for _ in range(SHORTLIST)]
        others = [await workers.two.pick("shop") for _ in range(20)]
        taken = [lease.proxy.key for lease in (*mine, *others) if lease]
        assert len(set(taken)) == len(taken) == SHORTLIST + 20

    run(body)


def test_a_session_keeps_its_proxy_in_every_worker(home: PoolHome, run: Run) -> None:
    home.fill(*(f"10.0.0.{n}:80" for n in range(1, 40)))

    async def body(workers: Workers) -> None:
        first = await workers.one.pick("shop", "ann")
        assert first
        for picker in (workers.one, workers.two) * 3:
            lease = await picker.pick("shop", "ann")
            assert lease
            assert lease.proxy == first.proxy
            await picker.report(lease, OK, 1.0)
        workers.wait(SESSION_S / 2)
        avoiding = await workers.two.pick("shop", "ann", avoid={first.proxy.key})
        assert avoiding
        assert avoiding.proxy != first.proxy

    run(body)


def test_a_sessions_proxy_that_is_newer_than_the_snapshot_is_used(home: PoolHome, run: Run) -> None:
    home.fill("10.0.0.1:80")

    async def body(workers: Workers) -> None:
        assert await workers.one.pick("shop")
        home.fill("10.0.0.2:80")
        theirs = await workers.two.pick("shop", "ann")
        assert theirs
        mine = await workers.one.pick("shop", "ann")
        assert mine
        assert mine.proxy == theirs.proxy == parse("10.0.0.2:80")

    run(body)


def test_what_no_worker_reports_on_is_free_again(home: PoolHome, run: Run) -> None:
    one, two = home.fill("10.0.0.1:80", "10.0.0.2:80")
    for _ in range(3):
        home.ask(two, OK)
    home.ask(two, BANNED)

    async def body(workers: Workers) -> None:
        assert await workers.one.pick("shop")
        assert await workers.two.pick("shop") is None
        workers.wait(LEASE_S + SNAPSHOT_S)
        lease = await workers.two.pick("shop")
        assert lease
        assert lease.proxy.key == one

    run(body)


def test_an_evicted_proxy_has_its_chance_now_and_then(home: PoolHome, run: Run) -> None:
    home.fill("10.0.0.1:80")

    async def body(workers: Workers) -> None:
        for _ in range(EVICTED_AT):
            await workers.ask(FAILED)
            assert await workers.one.pick("shop") is None
            workers.wait(LONGEST_REST_S)
        assert Pool(home.redis, KEYS).state().records[0].failures == EVICTED_AT
        await workers.ask(OK)
        assert Pool(home.redis, KEYS).state().records[0].failures == 0

    run(body)


def test_a_look_is_taken_once_a_second_at_most_for_any_number_of_picks(
    home: PoolHome, run: Run
) -> None:
    home.fill("10.0.0.1:80")
    sha = TimedScripts().look().sha

    async def body(workers: Workers) -> None:
        looks = Counter[str]()
        evalsha = workers.client.evalsha

        async def count(script: str, *rest: object) -> object:
            looks[script] += 1
            return await evalsha(script, *rest)  # type: ignore[arg-type]

        workers.client.evalsha = count  # type: ignore[method-assign, assignment]
        for _ in range(3):
            await asyncio.gather(*(workers.one.pick("shop") for _ in range(50)))
            workers.wait(SNAPSHOT_S)
        assert looks[sha] == 3

    run(body)


def test_of_any_number_of_sites_only_so_many_are_kept(home: PoolHome, run: Run) -> None:
    home.fill("10.0.0.1:80")

    async def body(workers: Workers) -> None:
        for number in range(MOST_SITES + 10):
            assert await workers.one.pick(f"site-{number}")
        assert len(workers.one._places) == MOST_SITES

    run(body)


def test_without_redis_the_last_snapshot_serves_on_and_that_is_said_once(
    home: PoolHome, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    home.fill("10.0.0.1:80", "10.0.0.2:80")

    async def body(workers: Workers) -> None:
        known = await workers.one.pick("shop")
        assert known
        up = workers.client.evalsha

        async def away(*_: object) -> object:
            raise RedisError("away")

        workers.client.evalsha = away  # type: ignore[method-assign, assignment]
        with caplog.at_level(logging.WARNING):
            failed: list[Lease] = []
            for _ in range(2):
                lease = await workers.one.pick("shop")
                assert lease
                failed.append(lease)
                await workers.one.report(lease, FAILED)
                workers.wait(SNAPSHOT_S)
        assert len({lease.proxy for lease in failed}) == 2
        assert await workers.one.pick("shop") is None
        workers.wait(10)
        assert await workers.one.pick("shop") is not None
        assert len(caplog.records) == 1
        with pytest.raises(RedisError):
            await workers.one.pick("a site that was never looked at")
        with pytest.raises(RedisError):
            await workers.two.pick("shop")
        workers.client.evalsha = up  # type: ignore[method-assign]
        await workers.one.report(known, OK)
        assert home.tally(known.proxy.key).ok == 1

    run(body)


def test_the_pool_asks_for_a_refresh_when_too_few_are_usable_for_a_site(
    home: PoolHome, run: Run
) -> None:
    home.fill("10.0.0.1:80", "10.0.0.2:80")

    async def body(workers: Workers) -> None:
        workers.one = workers.picker(minimum=2)
        await workers.ask(OK)
        await workers.ask(BANNED)
        assert asked(home.redis, KEYS) == ""
        workers.wait(SNAPSHOT_S)
        await workers.ask(OK, "books")
        assert asked(home.redis, KEYS) == ""
        await workers.ask(OK)
        assert asked(home.redis, KEYS) == "shop"

    run(body)
