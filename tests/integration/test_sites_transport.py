"""Requests to a real local site, direct and through real local proxies."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from proxies.model import Proxy, parse
from sites import tunnels
from sites.definition import Definition
from sites.fetch import Answer as Found
from sites.fetch import Failed, Kind, Moved, Page
from sites.transport import Transport
from tests.support.site_server import Answer, Site

PAGES = {
    "/": Answer("<h1>é</h1>"),
    "/packed": Answer(gzip.compress(b"<h1>x</h1>"), headers={"Content-Encoding": "gzip"}),
    "/bomb": Answer(gzip.compress(b"\0" * 9_000_000), headers={"Content-Encoding": "gzip"}),
    "/big": Answer(b"x" * 1_000_001),
    "/endless": Answer(b"x" * 1_000_001, headers={"Content-Length": "", "Connection": "close"}),
    "/bad": Answer(b"no gzip", headers={"Content-Encoding": "gzip"}),
    "/short": Answer(b"x", headers={"Content-Length": "5", "Connection": "close"}),
    "/image": Answer(b"\x89PNG", headers={"Content-Type": "image/png"}),
    "/odd": Answer(b"", headers={"Content-Type": "image/\xe9"}),
    "/busy": Answer(status=429, headers={"Retry-After": "7"}),
    "/moved": Answer(status=301, headers={"Location": "/"}),
    "/hang": Answer(hang=30),
    "/close": Answer(close=True),
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


@contextmanager
def rude(said: bytes) -> Iterator[int]:
    """The port of one who takes what comes, says something and hangs up."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            self.request.sendall(said)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def definition_of(url: str, **more: Any) -> Definition:
    raw = {
        "name": "s",
        "start_urls": [url],
        "item": {"fields": {"a": "b"}},
        "allow_private": True,
        "contact": "mailto:me@example.org",
        "limits": {"timeout": "1s", "body_mb": 1.0},
    }
    return Definition.model_validate(raw | more)


def get(url: str, proxy: Proxy | None = None, **more: Any) -> Found:
    definition = definition_of(url, **more)

    async def run() -> Found:
        async with Transport(definition) as transport:
            return await transport.get(definition.start_urls[0], proxy)

    return asyncio.run(run())


def test_a_page_comes_decoded(site: Site) -> None:
    assert get(site.url("/")) == Page(200, "<h1>é</h1>", len("<h1>é</h1>".encode()))
    assert get(site.url("/packed")) == Page(200, "<h1>x</h1>", 10)


def test_we_say_who_we_are(site: Site) -> None:
    get(site.url("/?who"))

    assert site.hits[-1].headers["User-Agent"] == "orch (+mailto:me@example.org)"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/none", Kind.GONE),
        ("/bomb", Kind.TOO_BIG),
        ("/big", Kind.TOO_BIG),
        ("/endless", Kind.TOO_BIG),
        ("/bad", Kind.PARSE),
        ("/short", Kind.PROTOCOL),
        ("/image", Kind.NOT_TEXT),
        ("/close", Kind.CONNECT),
    ],
)
def test_each_failure_has_its_class(site: Site, path: str, kind: Kind) -> None:
    found = get(site.url(path))

    assert isinstance(found, Failed)
    assert found.kind is kind


def test_an_odd_type_can_be_told(site: Site) -> None:
    found = get(site.url("/odd"))

    assert found == Failed(Kind.NOT_TEXT, "image/?", status=200)


def test_what_the_site_asks_for_is_handed_on(site: Site) -> None:
    found = get(site.url("/busy"))

    assert found == Failed(Kind.HTTP_429, "status 429", 7.0, 429)


def test_a_redirect_is_not_followed(site: Site) -> None:
    assert get(site.url("/moved")) == Moved(301, "/")


def test_a_request_has_its_own_total_deadline(site: Site) -> None:
    began = time.monotonic()

    found = get(site.url("/hang"))

    assert isinstance(found, Failed)
    assert found.kind is Kind.TIMEOUT
    assert time.monotonic() - began < 2


def test_nobody_there_is_told_from_no_answer() -> None:
    found = get(f"http://127.0.0.1:{_closed_port()}/")

    assert isinstance(found, Failed)
    assert found.kind is Kind.CONNECT


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_without_leave_no_request_goes_inside(site: Site, host: str) -> None:
    before = len(site.hits)

    found = get(f"http://{host}:{site.port}/", allow_private=False)

    assert isinstance(found, Failed)
    assert found.kind is Kind.FORBIDDEN
    assert len(site.hits) == before


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
def test_a_request_goes_through_the_proxy_of_each_kind(
    site: Site, forward: int, scheme: str
) -> None:
    found = get(site.url("/"), Proxy(scheme, "127.0.0.1", forward))

    assert isinstance(found, Page)
    assert site.hits[-1].peer == "127.0.0.9"


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
def test_a_dead_proxy_is_blamed_and_nothing_goes_directly(site: Site, scheme: str) -> None:
    before = len(site.hits)
    proxy = parse(f"{scheme}://ann:secret@127.0.0.1:{_closed_port()}")

    found = get(site.url("/"), proxy)

    assert isinstance(found, Failed)
    assert found.kind is Kind.PROXY
    assert "secret" not in repr(found)
    assert len(site.hits) == before


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
@pytest.mark.parametrize("said", [b"", b"\x05", b"\x00", b"\xff" * 8])
def test_a_proxy_that_hangs_up_is_blamed(scheme: str, said: bytes) -> None:
    with rude(said) as port:
        found = get("http://127.0.0.1:9/", Proxy(scheme, "127.0.0.1", port))

    assert isinstance(found, Failed)
    assert found.kind is Kind.PROXY


def test_no_exception_of_a_library_comes_through(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    async def burst(*_: object) -> None:
        raise RuntimeError("what nobody thought of")

    monkeypatch.setattr(Transport, "_page", burst)

    assert get(site.url("/")) == Failed(Kind.PROTOCOL, "RuntimeError")


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
def test_a_silent_proxy_costs_no_more_than_the_deadline(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()

        found = get("http://127.0.0.1:9/", Proxy(scheme, "127.0.0.1", silent.getsockname()[1]))

    assert isinstance(found, Failed)
    assert found.kind is Kind.PROXY
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_more_tunnels_than_are_kept_may_be_in_use_at_once(
    monkeypatch: pytest.MonkeyPatch, site: Site, forward: int, scheme: str
) -> None:
    monkeypatch.setattr(tunnels, "MOST_TUNNELS", 2)
    # The user makes them eight proxies, and one proxy is all of them.
    proxies = [parse(f"{scheme}://user{last}@127.0.0.1:{forward}") for last in range(8)]
    site.pages["/slow"] = Answer("<h1>slow</h1>", hang=0.3)

    async def run() -> list[Found]:
        async with Transport(definition_of(site.url("/slow"))) as transport:
            asked = (transport.get(site.url("/slow"), proxy) for proxy in proxies)
            found = await asyncio.gather(*asked)
            found.append(await transport.get(site.url("/"), proxies[0]))
            assert len(transport._tunnels._open) <= 2
            return found

    assert [type(found) for found in asyncio.run(run())] == [Page] * 9


def test_a_page_through_a_proxy_may_not_name_an_inside_address(forward: int) -> None:
    found = get("http://10.0.0.1/", Proxy("http", "127.0.0.1", forward), allow_private=False)

    assert isinstance(found, Failed)
    assert found.kind is Kind.FORBIDDEN


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
