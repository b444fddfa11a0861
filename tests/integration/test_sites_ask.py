"""Asking for a page over a real Redis: what the pool, the gate and the picks are told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from orchestrator.core.redis import Redis, RedisError
from orchestrator.gate.gate import RedisGate
from orchestrator.queue.model import Lease
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool import Pool
from proxies.rotation import Rotation
from sites.ask import Asker
from sites.definition import Definition
from sites.fetch import Answer, Failed, Kind, Page, judge_status
from sites.shard import limits_of
from sites.transport import Transport
from sites.work import Work
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome

PAGE = Page(200, "", 0)
POOL = tuple(Proxy("http", f"192.0.2.{last}", 8080) for last in range(1, 5))

Script = Callable[[Proxy | None], Answer]


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis) -> SiteHome:
    del real_redis  # the server is empty
    return SiteHome(tmp_path, redis_server.url)


class Scripted(Transport):
    """Answers by a function of the proxy instead of the network, and remembers who was asked."""

    def __init__(self, definition: Definition, script: Script) -> None:
        super().__init__(definition)
        self.asked: list[Proxy | None] = []
        self._script = script

    async def get(self, url: str, proxy: Proxy | None) -> Answer:
        del url
        self.asked.append(proxy)
        return self._script(proxy)


class Asked:
    """One page asked for, and what is left behind."""

    def __init__(
        self,
        home: SiteHome,
        script: Script,
        proxies: Sequence[Proxy] = POOL,
        *,
        wish: str = "require",
        pages: int = 1,
    ) -> None:
        now = float(home.redis.time()[0])
        found = [Verdict(p, now, anonymity=Anonymity.ELITE, exit_ip="192.0.2.9") for p in proxies]
        self.pool = Pool(home.redis, home.keys)
        self.pool.replace(found)
        self.home = home
        self.answers: list[Answer] = []
        self.error: Exception | None = None
        self.in_flight: Counter[str] = Counter()
        self.through: list[Proxy | None] = []
        asyncio.run(self._run(script, wish, pages))

    async def _run(self, script: Script, wish: str, pages: int) -> None:
        raw = {
            "name": "shop",
            "start_urls": ["http://site.example/"],
            "item": {"fields": {"a": "b"}},
            "rate": 2000.0,
            "burst": 100,
            "proxies": wish,
            "limits": {"proxy_wait": 0},
        }
        definition = Definition.model_validate(raw)
        client = self.home.context.async_redis()
        async with Scripted(definition, script) as transport:
            gate = RedisGate(client, self.home.keys, "shop", limits_of(definition))
            rotation = Rotation(client, self.home.keys, 600.0)
            asker = Asker(definition, gate, transport, rotation)
            try:
                for _ in range(pages):
                    answer, _ = await asker.ask(Work(Lease(definition.start_urls[0], "t", "{}", 1)))
                    self.answers.append(answer)
            except (RuntimeError, RedisError) as error:
                self.error = error
            self.in_flight = rotation._in_flight
            self.through = transport.asked
        await client.aclose()

    @property
    def evicted(self) -> int:
        return len(self.pool.state().records) - len(self.pool.usable(600.0))

    @property
    def failures(self) -> dict[str, int]:
        """What the pool was told."""
        return {r.proxy.key: r.failures for r in self.pool.state().records if r.failures}

    @property
    def slots(self) -> int:
        return int(self.home.redis.zcard(self.home.keys.gate("shop", "slots")))


def test_no_exception_keeps_a_slot_or_a_proxy(home: SiteHome) -> None:
    def fail(_: Proxy | None) -> Answer:
        raise RuntimeError("what nobody thought of")

    asked = Asked(home, fail)

    assert isinstance(asked.error, RuntimeError)
    assert not asked.in_flight
    assert asked.slots == 0


def test_a_pool_that_cannot_be_told_keeps_no_slot(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr(Rotation, "_tell_pool", fail)
    from_a_dead_one = Failed(Kind.PROXY, "cannot be reached")

    asked = Asked(home, lambda _: from_a_dead_one)

    assert isinstance(asked.error, RuntimeError)
    assert not asked.in_flight
    assert asked.slots == 0


def test_a_page_through_a_proxy_leaves_nothing_behind(home: SiteHome) -> None:
    asked = Asked(home, lambda _: PAGE)

    assert asked.answers == [PAGE]
    assert not asked.in_flight
    assert asked.slots == 0


SAYS_502 = judge_status(502, {}, now=0.0, proxied=True)


def test_what_several_proxies_say_of_a_page_is_the_sites_own(home: SiteHome) -> None:
    assert SAYS_502 is not None

    asked = Asked(home, lambda _: SAYS_502, pages=3)

    assert asked.answers == [Failed(Kind.HTTP_5XX, "status 502", status=502)] * 3
    assert (asked.failures, asked.evicted) == ({}, 0)
    assert not asked.in_flight
    assert home.redis.exists(home.keys.gate("shop", "window"))


def test_a_proxy_alone_in_saying_that_the_site_fails_is_told_of(home: SiteHome) -> None:
    assert SAYS_502 is not None

    asked = Asked(home, lambda proxy: SAYS_502 if proxy == POOL[0] else PAGE)

    assert asked.answers == [PAGE]
    assert asked.failures == {POOL[0].key: 1}
    assert not asked.in_flight


def test_a_request_that_takes_too_long_evicts_no_proxy(home: SiteHome) -> None:
    slow = Failed(Kind.PROXY, "timeout: no whole answer", doubt=Kind.TIMEOUT)

    asked = Asked(home, lambda _: slow, pages=6)

    assert asked.failures == {}
    assert not asked.in_flight


def test_a_proxy_that_cannot_be_reached_is_told_of(home: SiteHome) -> None:
    asked = Asked(home, lambda _: Failed(Kind.PROXY, "cannot be reached"))

    assert len(asked.failures) == 3
