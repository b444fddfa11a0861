"""Requests to a real local site, direct and through real local proxies."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from proxies.model import Proxy, parse
from sites.definition.definition import Definition
from sites.fetch.answer import Answer as Found
from sites.fetch.answer import Failed, Page
from sites.fetch.judge import Judge
from sites.fetch.kind import Kind
from sites.fetch.lean import pool
from sites.fetch.transport import Transport
from tests.support.site_server import Answer, Site

PACKED = gzip.compress(b"<h1>x</h1>")
PAGES = {
    "/": Answer("<h1>é</h1>"),
    "/packed": Answer(PACKED, headers={"Content-Encoding": "gzip"}),
    "/odd": Answer(b"", headers={"Content-Type": "image/\xe9"}),
    "/busy": Answer(status=429, headers={"Retry-After": "7"}),
    "/close": Answer(close=True),
    "/slow": Answer("x", hang=0.3),
    "/slowly-gone": Answer(status=404, hang=0.3),
    "/slowly-moved": Answer(status=301, headers={"Location": "/"}, hang=0.3),
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(PAGES) as server:
        yield server


@pytest.fixture(scope="module")
def forward() -> Iterator[int]:
    """The port of an honest proxy: http, socks4 and socks5, leaving from 127.0.0.9."""
    command = [sys.executable, "-m", "orchestrator.demo.forward", "--leave-from", "127.0.0.9"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["port"]
        process.kill()


def definition_of(url: str, **more: Any) -> Definition:
    raw = {
        "name": "s",
        "start_urls": [url],
        "item": {"fields": {"a": "b"}},
        "allow_private": True,
        "contact": "mailto:me@example.org",
        "limits": {"timeout": "60s", "body_mb": 1.0},
    }
    return Definition.model_validate(raw | more)


def get(url: str, proxy: Proxy | None = None, **more: Any) -> Found:
    definition = definition_of(url, **more)

    async def run() -> Found:
        async with Transport(definition) as transport:
            return await transport.get(definition.start_urls[0], proxy)

    return asyncio.run(run())


def test_a_page_comes_decoded(site: Site) -> None:
    plain = "<h1>é</h1>".encode()

    assert get(site.url("/")) == Page(200, plain, charset="utf-8", size=len(plain))
    packed = get(site.url("/packed"))
    assert isinstance(packed, Page)
    assert (packed.text, packed.size) == ("<h1>x</h1>", len(PACKED))


@pytest.mark.parametrize("path", ["/slow", "/slowly-gone", "/slowly-moved"])
def test_how_long_the_site_took_to_answer_is_told(site: Site, path: str) -> None:
    began = time.monotonic()
    latency = get(site.url(path)).latency
    took = time.monotonic() - began

    assert latency is not None
    assert 0.3 <= latency <= took


def test_how_long_a_proxy_took_says_nothing_about_the_site(site: Site, forward: int) -> None:
    assert get(site.url("/slow"), Proxy("http", "127.0.0.1", forward)).latency is None


def test_without_an_answer_nobody_knows_how_long_it_takes(site: Site) -> None:
    assert get(site.url("/close")).latency is None


def test_an_odd_type_can_be_told(site: Site) -> None:
    found = get(site.url("/odd"))

    assert found == Failed(Kind.NOT_TEXT, "image/?", status=200)


def test_what_the_site_asks_for_is_handed_on(site: Site) -> None:
    found = get(site.url("/busy"))

    assert found == Failed(Kind.HTTP_429, "status 429", 7.0, 429)


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
def test_a_request_goes_through_the_proxy_of_each_kind(
    site: Site, forward: int, scheme: str
) -> None:
    found = get(site.url("/"), Proxy(scheme, "127.0.0.1", forward))

    assert isinstance(found, Page)
    assert site.hits[-1].peer == "127.0.0.9"


def test_no_exception_of_a_library_comes_through(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    async def burst(*_: object, **__: object) -> None:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr(Judge, "judge", burst)

    assert get(site.url("/")) == Failed(Kind.PROTOCOL, "RuntimeError")


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_more_connections_than_are_kept_may_be_in_use_at_once(
    monkeypatch: pytest.MonkeyPatch, site: Site, forward: int, scheme: str
) -> None:
    monkeypatch.setattr(pool, "MOST_IDLE", 2)
    # The user makes them eight proxies, and one proxy is all of them.
    proxies = [parse(f"{scheme}://user{last}@127.0.0.1:{forward}") for last in range(8)]
    site.pages["/slow"] = Answer("<h1>slow</h1>", hang=0.3)

    async def run() -> list[Found]:
        async with Transport(definition_of(site.url("/slow"))) as transport:
            asked = (transport.get(site.url("/slow"), proxy) for proxy in proxies)
            found = await asyncio.gather(*asked)
            found.append(await transport.get(site.url("/"), proxies[0]))
            assert len(transport._engine._pool) <= 2
            return found

    assert [type(found) for found in asyncio.run(run())] == [Page] * 9


def test_a_page_through_a_proxy_may_not_name_an_inside_address(forward: int) -> None:
    found = get("http://10.0.0.1/", Proxy("http", "127.0.0.1", forward), allow_private=False)

    assert isinstance(found, Failed)
    assert found.kind is Kind.FORBIDDEN
