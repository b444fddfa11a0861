"""Whether a site serves a proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.core.redis import Redis
from orchestrator.core.redis_async import AsyncRedis
from proxies.check.lines import Lines
from proxies.check.target import check_at, check_target
from proxies.check.wire import LARGEST_START, Response
from proxies.model import Proxy
from proxies.pool.ledger import Ledger
from proxies.pool.picker import Lease, Picker
from tests.support.pool_home import KEYS, fill
from tests.support.redis_server import RedisServer
from tests.support.zoo import Zoo, closed_port, trusting
from tests.support.zoo_animal import answer
from tests.support.zoo_kinds import MORE, Kind
from tests.support.zoo_liars import saying


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    with Zoo() as made:
        monkeypatch.setattr("proxies.check.target.trusting", lambda: trusting(made))
        yield made


def asked(proxy: Proxy, url: str, seconds: float = 8.0) -> str:
    async def run() -> str:
        with Lines() as lines:
            return await check_target(lines, proxy, url, seconds)

    return asyncio.run(run())


@pytest.mark.parametrize("kind", ["http", "keeping", "connect", "socks4", "socks5"])
def test_a_site_serves_a_proxy_or_does_not(zoo: Zoo, kind: str) -> None:
    proxy = zoo.add(kind)

    for judge in (zoo.judge, zoo.judge_tls):
        assert asked(proxy, f"{judge}page") == ""
        assert asked(proxy, f"{judge}nothing") == "answered 404"


def test_what_goes_wrong_on_the_way_is_told_as_in_a_verdict(zoo: Zoo) -> None:
    assert asked(closed_port(), zoo.judge) == "connection refused"
    assert asked(zoo.add("hanging"), zoo.judge, 0.5) == "no answer in time"
    assert asked(zoo.add("rogue"), zoo.judge_tls) == "intercepts TLS"


def test_of_a_long_page_the_beginning_is_judged(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    page = answer("200 OK", b"are you a robot?" + bytes(5_000_000))
    monkeypatch.setitem(MORE, "captcha page", Kind("http", saying(page)))
    seen: list[Response] = []

    def refusal(response: Response) -> str:
        seen.append(response)
        return "captcha" if b"robot" in response.body else ""

    async def run() -> str:
        with Lines() as lines:
            return await check_target(lines, zoo.add("captcha page"), zoo.judge, 8.0, refusal)

    assert asyncio.run(run()) == "captcha"
    assert len(seen[0].body) == LARGEST_START


CAPTCHA = answer("200 OK", b"are you a robot?")
REFUSED = answer("403 Forbidden", b"no")
MISSING = answer("404 Not Found", b"no")


@pytest.mark.parametrize(
    ("page", "bans", "doubts"), [(CAPTCHA, 1, 0), (REFUSED, 1, 0), (MISSING, 0, 1)]
)
def test_a_refusal_cools_the_proxy_at_this_site_alone(
    zoo: Zoo,
    redis_server: RedisServer,
    real_redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    page: bytes,
    bans: int,
    doubts: int,
) -> None:
    monkeypatch.setitem(MORE, "page", Kind("http", saying(page)))
    proxy = zoo.add("page")
    fill(real_redis, proxy.url)

    def robots(response: Response) -> str:
        return "captcha" if b"robot" in response.body else ""

    async def run() -> Lease | None:
        client = AsyncRedis(redis_server.url)
        picker = Picker(client, KEYS, 3600.0)
        with Lines() as lines:
            refusal = robots if page is CAPTCHA else None
            assert await check_at(picker, "shop", lines, proxy, zoo.judge, 8.0, refusal)
        assert await picker.pick("shop") is None
        other = await picker.pick("books")
        await client.aclose()
        return other

    assert asyncio.run(run())
    look = Ledger(KEYS, 60.0).look("shop", -1, 0.0, 0.0).run(real_redis)
    pair = look.pairs[proxy.key]
    assert (pair.bans, round(pair.failed)) == (bans, doubts)
    assert not look.failing


def test_a_proxy_that_a_site_serves_may_be_picked(
    zoo: Zoo, redis_server: RedisServer, real_redis: Redis
) -> None:
    proxy = zoo.add("http")
    fill(real_redis, proxy.url)

    async def run() -> tuple[str, Lease | None]:
        client = AsyncRedis(redis_server.url)
        picker = Picker(client, KEYS, 3600.0)
        with Lines() as lines:
            said = await check_at(picker, "shop", lines, proxy, f"{zoo.judge}page", 8.0)
            await check_at(picker, "shop", lines, closed_port(), zoo.judge, 8.0)  # not of the pool
        lease = await picker.pick("shop")
        await client.aclose()
        return said, lease

    said, lease = asyncio.run(run())
    assert (said, bool(lease)) == ("", True)
