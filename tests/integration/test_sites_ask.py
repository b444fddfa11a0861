"""Asking for a page over a real Redis: what the pool, the gate and the picks are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from orchestrator.core.redis import RedisError
from orchestrator.gate import view
from orchestrator.gate.limits import Limits
from orchestrator.queue.model import Lease
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool.ledger import COOL_S, Ledger, Pair
from proxies.pool.picker import Picker
from proxies.pool.pool import Pool
from sites.crawl.ask import Asker
from sites.crawl.work import Work
from sites.definition.definition import Definition
from sites.fetch.answer import Answer, Failed, Page
from sites.fetch.kind import Kind
from sites.fetch.status import judge_status
from sites.fetch.transport import Transport
from sites.politeness.gates import gate_of
from tests.support.orch import eventually
from tests.support.site_home import SiteHome

PAGE = Page(200, b"")

pytestmark = pytest.mark.usefixtures("patient")
POOL = tuple(Proxy("http", f"192.0.2.{last}", 8080) for last in range(1, 5))

Script = Callable[[Proxy | None], Answer]


class Scripted(Transport):
    """Answers by a function of the proxy instead of the network, and remembers who was asked."""

    def __init__(self, definition: Definition, script: Script) -> None:
        super().__init__(definition)
        self.asked: list[Proxy | None] = []
        self._script = script

    async def get(self, url: str, proxy: Proxy | None, **_: object) -> Answer:
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
        picker = Picker(client, self.home.keys, 600.0)
        with gate_of(self.home.context, definition, processes=1) as gate:
            async with Scripted(definition, script) as transport:
                asker = Asker(definition, gate, transport, picker)
                try:
                    for _ in range(pages):
                        work = Work(Lease(definition.start_urls[0], "t", "{}", 1))
                        answer, _ = await asker.ask(work)
                        self.answers.append(answer)
                except (RuntimeError, RedisError) as error:
                    self.error = error
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
    def in_flight(self) -> int:
        return int(self.home.redis.zcard(self.home.keys.pool_site("shop", "leases")))

    def pairs(self) -> dict[str, Pair]:
        """What is known of the proxies at this site."""
        look = Ledger(self.home.keys, 60.0).look("shop", -1, 0.0, 0.0)
        return look.run(self.home.redis).pairs

    @property
    def slots(self) -> int:
        return int(self.home.redis.zcard(self.home.keys.gate("shop", "slots")))


def test_no_exception_keeps_a_slot_or_a_proxy(home: SiteHome) -> None:
    def fail(_: Proxy | None) -> Answer:
        raise RuntimeError("what nobody thought of")

    asked = Asked(home, fail)

    assert isinstance(asked.error, RuntimeError)
    assert not asked.in_flight
    eventually(lambda: asked.slots == 0)


def test_a_pool_that_cannot_be_told_keeps_no_slot(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr(Picker, "report", fail)
    from_a_dead_one = Failed(Kind.PROXY, "cannot be reached")

    asked = Asked(home, lambda _: from_a_dead_one)

    assert isinstance(asked.error, RuntimeError)
    eventually(lambda: asked.slots == 0)


def test_a_page_through_a_proxy_leaves_nothing_behind(home: SiteHome) -> None:
    asked = Asked(home, lambda _: PAGE)

    assert asked.answers == [PAGE]
    assert not asked.in_flight
    eventually(lambda: asked.slots == 0)


SAYS_502 = judge_status(502, {}, now=0.0, proxied=True)


def test_what_several_proxies_say_of_a_page_is_the_sites_own(home: SiteHome) -> None:
    assert SAYS_502 is not None

    asked = Asked(home, lambda _: SAYS_502, pages=3)

    assert asked.answers == [Failed(Kind.HTTP_5XX, "status 502", status=502)] * 3
    assert (asked.failures, asked.evicted) == ({}, 0)
    assert not asked.in_flight
    gate = view.read(home.redis, home.keys, [view.Asked("shop", Limits(rate=2000))])[0]
    assert gate["breaker"]["failed"] == 3


def test_a_proxy_alone_in_saying_that_the_site_fails_is_told_of(home: SiteHome) -> None:
    assert SAYS_502 is not None

    first: list[Proxy | None] = []

    def answer(proxy: Proxy | None) -> Answer:
        first.append(proxy)
        return SAYS_502 if proxy == first[0] else PAGE

    asked = Asked(home, answer)

    assert asked.answers == [PAGE]
    assert first[0] is not None
    assert asked.failures == {first[0].key: 1}
    assert not asked.in_flight


def test_a_request_that_takes_too_long_evicts_no_proxy(home: SiteHome) -> None:
    slow = Failed(Kind.PROXY, "timeout: no whole answer", doubt=Kind.TIMEOUT)

    asked = Asked(home, lambda _: slow, pages=6)

    assert asked.failures == {}
    assert not asked.in_flight


def test_a_proxy_that_cannot_be_reached_is_told_of(home: SiteHome) -> None:
    asked = Asked(home, lambda _: Failed(Kind.PROXY, "cannot be reached"))

    assert len(asked.failures) == 3


def test_a_ban_cools_the_proxy_at_this_site_alone(home: SiteHome) -> None:
    banned = Failed(Kind.HTTP_403, "status 403", status=403)

    asked = Asked(home, lambda _: banned, POOL[:1], pages=2)

    assert asked.answers == [banned, Failed(Kind.NO_PROXY)]
    assert (asked.through, asked.failures) == ([POOL[0]], {})
    pair = asked.pairs()[POOL[0].key]
    assert (pair.bans, pair.ok) == (1, 1)
    assert pair.cool_until - pair.at == pytest.approx(COOL_S)


def test_a_ban_with_a_time_to_come_again_lasts_as_long(home: SiteHome) -> None:
    asked = Asked(home, lambda _: Failed(Kind.HTTP_429, "status 429", 7.0, 429))

    (pair,) = asked.pairs().values()
    assert pair.cool_until - pair.at == pytest.approx(7.0)


def test_another_proxy_is_tried_while_one_is_in_doubt_and_the_same_when_there_is_no_other(
    home: SiteHome,
) -> None:
    slow = Failed(Kind.PROXY, "timeout: no whole answer", doubt=Kind.TIMEOUT)

    assert len(set(Asked(home, lambda _: slow).through)) == 3
    home.redis.flushall()
    assert Asked(home, lambda _: slow, POOL[:1]).through == [POOL[0]] * 3


def test_how_long_an_answer_takes_is_told(home: SiteHome) -> None:
    asked = Asked(home, lambda _: PAGE)

    (pair,) = asked.pairs().values()
    assert 0 < pair.ok_s < 1.5
