"""What every engine must make of what servers and proxies do: one table for all of them."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme

from proxies import loop
from proxies.model import Proxy, parse
from sites.definition.definition import Definition
from sites.fetch.answer import Answer, Failed, Moved, Page, Proof, Unchanged
from sites.fetch.impersonating import engine as impersonating
from sites.fetch.kind import Kind
from sites.fetch.lean import engine as lean
from sites.fetch.transport import Transport
from tests.support.ports import free_port
from tests.support.raw_server import CLOSE, HANG, RESET, RawServer, Script, Trickle, page


class Engine(NamedTuple):
    """What a site's file says of it, and the event loop that it works in."""

    name: str | None = None
    run: Callable[..., Any] = loop.run


ENGINES = {
    "lean": Engine(),
    "lean on asyncio": Engine(run=asyncio.run),
    "chrome": Engine("chrome"),
}
SCHEMES = ("http", "https", "socks4", "socks5")
GZIP = {"Content_Encoding": "gzip"}
TEN = b"0123456789"


def _chunks(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)


CHUNKED = page(b"", Content_Length="", Transfer_Encoding="chunked")
SOON = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"

#: Paths of what fails, with the class that it is of.
FAILS: dict[str, tuple[Kind, Script]] = {
    "/reset": (Kind.CONNECT, [RESET]),
    "/closed": (Kind.CONNECT, [CLOSE]),
    "/reset-in-head": (Kind.CONNECT, [b"HTTP/1.1 200 OK\r\nContent-", RESET]),
    "/closed-in-head": (Kind.CONNECT, [b"HTTP/1.1 200 OK\r\nContent-", CLOSE]),
    "/reset-in-body": (Kind.PROTOCOL, [page(TEN, Content_Length="99"), RESET]),
    "/short": (Kind.PROTOCOL, [page(TEN, Content_Length="99"), CLOSE]),
    "/chunk-cut": (Kind.PROTOCOL, [CHUNKED + b"ff\r\nabc", CLOSE]),
    "/chunks-end-missing": (Kind.PROTOCOL, [CHUNKED + _chunks(TEN), CLOSE]),
    "/chunk-broken": (Kind.PROTOCOL, [CHUNKED + b"what?\r\nabc\r\n0\r\n\r\n", CLOSE]),
    "/two-lengths": (
        Kind.PROTOCOL,
        [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", CLOSE],
    ),
    "/no-http": (Kind.PROTOCOL, [b"SSH-2.0-x\r\nhello\r\n", CLOSE]),
    "/huge-head": (
        Kind.PROTOCOL,
        [b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"x" * 990 + b"\r\n"] * 90, CLOSE],
    ),
    "/endless-heads": (Kind.PROTOCOL, [SOON * 3000, page()]),
    "/announced": (Kind.TOO_BIG, [page(b"", Content_Length="1000001"), HANG]),
    "/endless": (Kind.TOO_BIG, [page(b"x" * 1_000_001, Content_Length=""), HANG]),
    "/chunks": (Kind.TOO_BIG, [CHUNKED, *[_chunks(b"x" * 100_000)] * 11, HANG]),
    "/bomb": (Kind.TOO_BIG, [page(gzip.compress(b"\0" * 50_000_000), **GZIP)]),
    "/no-gzip": (Kind.PARSE, [page(b"this is no gzip at all", **GZIP)]),
    "/odd-packing": (Kind.PARSE, [page(TEN, Content_Encoding="sdch")]),
    "/image": (Kind.NOT_TEXT, [page(TEN, Content_Type="image/png")]),
    "/gone": (Kind.GONE, [page(b"", "404 Not Found")]),
    "/unasked-304": (Kind.HTTP_4XX, [page(b"", "304 Not Modified", Content_Length="")]),
    "/nowhere": (Kind.REDIRECT, [page(b"", "302 Found")]),
}
SLOW: dict[str, Script] = {
    "/silent": [HANG],
    "/slow-head": [Trickle(page(X_Long="x" * 999))],
    "/slow-body": [page(b"", Content_Length="999"), Trickle(b"x" * 999)],
    "/stopped": [page(TEN, Content_Length="99"), HANG],
    "/slow-chunks": [CHUNKED, Trickle(_chunks(*[b"x"] * 99))],
}
#: Paths of pages, with what comes.
PAGES: dict[str, tuple[bytes, Script]] = {
    "/": (b"<h1>x</h1>", [page()]),
    "/empty": (b"", [page(b"")]),
    "/204": (b"", [page(b"", "204 No Content", Content_Length="")]),
    "/chunked": (TEN * 2, [CHUNKED + _chunks(TEN, TEN) + b"0\r\nX-Trailer: y\r\n\r\n"]),
    "/soon": (TEN, [SOON + SOON + page(TEN)]),
    "/old": (TEN, [b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + TEN, CLOSE]),
    "/to-the-end": (TEN, [page(TEN, Content_Length=""), CLOSE]),
    "/bare-lines": (
        TEN,
        [b"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 10\n\n" + TEN],
    ),
    "/gzip": (TEN, [page(gzip.compress(TEN), **GZIP)]),
    "/deflate": (TEN, [page(zlib.compress(TEN), Content_Encoding="deflate")]),
    "/in-pieces": (TEN, [Trickle(page(TEN, Content_Type="text/html"))]),
}


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    scripts = {path: script for path, (_, script) in (*FAILS.items(), *PAGES.items())}
    with RawServer(scripts | SLOW) as running:
        yield running


@pytest.fixture(scope="module")
def forward() -> Iterator[int]:
    """The port of an honest proxy: http, socks4 and socks5."""
    command = [sys.executable, "-m", "orchestrator.demo.forward", "--leave-from", "127.0.0.9"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["port"]
        process.kill()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    return ENGINES[request.param]


Want = tuple[str, Proxy | None] | tuple[str, Proxy | None, Proof]


def ask(
    engine: Engine, *wants: Want, at_once: bool = False, timeout: str = "60s", **more: Any
) -> list[Answer]:
    """The answers of one transport, one after the other unless `at_once`."""
    raw = {
        "name": "s",
        "start_urls": ["http://127.0.0.1/"],
        "item": {"fields": {"a": "b"}},
        "allow_private": True,
        "impersonate": engine.name,
        "limits": {"timeout": timeout, "body_mb": 1.0},
    }
    definition = Definition.model_validate(raw | more)

    async def run() -> list[Answer]:
        async with Transport(definition) as transport:

            async def one(url: str, proxy: Proxy | None, proof: Proof | None = None) -> Answer:
                return await transport.get(url, proxy, proof=proof)

            if at_once:
                return list(await asyncio.gather(*(one(*want) for want in wants)))
            return [await one(*want) for want in wants]

    found: list[Answer] = engine.run(run())
    return found


def kinds(answers: Sequence[Answer]) -> list[Kind | type]:
    return [answer.kind if isinstance(answer, Failed) else type(answer) for answer in answers]


def test_each_failure_has_its_class(engine: Engine, server: RawServer) -> None:
    found = ask(engine, *((server.url(path), None) for path in FAILS), at_once=True)

    told = dict(zip(FAILS, kinds(found), strict=True))
    assert told == {path: kind for path, (kind, _) in FAILS.items()}


def test_a_request_has_its_own_total_deadline(engine: Engine, server: RawServer) -> None:
    wants = [(server.url(path), None) for path in SLOW]

    found = ask(engine, *wants, at_once=True, timeout="0.8s")

    assert kinds(found) == [Kind.TIMEOUT] * len(SLOW)


def test_what_is_odd_but_right_is_a_page(engine: Engine, server: RawServer) -> None:
    found = ask(engine, *((server.url(path), None) for path in PAGES))

    bodies = [answer.body if isinstance(answer, Page) else answer for answer in found]
    assert dict(zip(PAGES, bodies, strict=True)) == {
        path: body for path, (body, _) in PAGES.items()
    }


def test_what_a_page_says_of_itself_is_handed_on(engine: Engine) -> None:
    said = page(
        "é".encode(), Content_Type='Text/HTML; Charset="Latin-1"', ETag='"1"', Last_Modified="then"
    )
    with RawServer({"/": [said]}) as server:
        (found,) = ask(engine, (server.url(), None))

    assert isinstance(found, Page)
    assert (found.media, found.charset, found.text) == ("text/html", "latin-1", "é")
    assert (found.etag, found.last_modified, found.size) == ('"1"', "then", 2)
    assert found.latency is not None


def test_a_site_sees_who_we_are_or_the_browser_that_its_file_wants(engine: Engine) -> None:
    with RawServer({"/": [page()]}) as server:
        ask(engine, (server.url(), None), contact="mailto:me@example.org")
        headers = server.requests[0].headers

    agent = headers["User-Agent"]
    assert ("Chrome/" in agent) if engine.name else (agent == "orch (+mailto:me@example.org)")
    assert "Upgrade" not in headers  # no browser offers HTTP/2 without TLS


def test_a_redirect_is_handed_on_and_not_followed(engine: Engine) -> None:
    with RawServer({"/": [page(b"", "301 Moved", Location="/é")]}) as server:
        (found,) = ask(engine, (server.url(), None))

        assert isinstance(found, Moved)
        assert len(server.requests) == 1


def test_a_page_that_is_known_may_be_unchanged(engine: Engine) -> None:
    with RawServer({"/": [page(b"", "304 Not Modified", Content_Length="", ETag='"1"')]}) as server:
        url = server.url()
        proof = Proof('"1"', "Mon, 01 Jan 2024 00:00:00 GMT")
        found = ask(engine, (url, None, proof), (url, None, Proof(last_modified="then")))
        first, second = (request.headers for request in server.requests)

    assert [type(answer) for answer in found] == [Unchanged, Unchanged]
    assert (first["If-None-Match"], first["If-Modified-Since"]) == proof
    assert ("If-None-Match" in second, second["If-Modified-Since"]) == (False, "then")


def test_a_connection_is_used_again_and_a_new_one_is_made_when_it_was_closed(
    engine: Engine,
) -> None:
    def again(before: int) -> Sequence[Any]:
        return [page()] if before < 2 else [CLOSE]

    with RawServer({"/": again}) as server:
        found = ask(engine, *[(server.url(), None)] * 5)

        assert [type(answer) for answer in found] == [Page] * 5
        assert server.connections == 3


def test_what_nobody_read_to_its_end_is_no_beginning_of_the_next(engine: Engine) -> None:
    scripts: dict[str, Script] = {"/image": [page(b"x" * 200_000, Content_Type="image/png")]}
    with RawServer(scripts | {"/": [page(b"the page")]}) as server:
        image, found = ask(engine, (server.url("/image"), None), (server.url(), None))

    assert kinds([image]) == [Kind.NOT_TEXT]
    assert isinstance(found, Page)
    assert found.body == b"the page"


def test_a_name_that_nobody_has_is_of_class_dns(engine: Engine) -> None:
    assert kinds(ask(engine, ("http://nobody.invalid/", None))) == [Kind.DNS]


def test_nobody_there_is_of_class_connect(engine: Engine) -> None:
    assert kinds(ask(engine, (f"http://127.0.0.1:{free_port()}/", None))) == [Kind.CONNECT]


def test_a_connection_that_does_not_come_about_costs_no_more_than_the_deadline(
    engine: Engine,
) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
        for _ in range(4):  # what does not fit is left without an answer
            waits = stack.enter_context(socket.socket())
            waits.setblocking(False)
            waits.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        proxies = [None, *(Proxy(scheme, "127.0.0.1", port) for scheme in SCHEMES)]
        wants = [(f"http://127.0.0.1:{port}/", proxy) for proxy in proxies]
        found = ask(engine, *wants, at_once=True, timeout="0.8s")

    assert kinds(found) == [Kind.TIMEOUT, *[Kind.PROXY] * 4]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_without_leave_nothing_goes_inside(engine: Engine, server: RawServer, host: str) -> None:
    before = len(server.requests)

    found = ask(engine, (f"http://{host}:{server.port}/", None), allow_private=False)

    assert kinds(found) == [Kind.FORBIDDEN]
    assert len(server.requests) == before


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """The authority is one of the system's."""
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setattr("curl_cffi.curl.DEFAULT_CACERT", str(file))
    monkeypatch.setattr("curl_cffi.aio.DEFAULT_CACERT", str(file))
    lean._trusting.cache_clear()
    yield
    lean._trusting.cache_clear()


def secure(authority: trustme.CA, name: str = "127.0.0.1") -> RawServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return RawServer({path: script for path, (_, script) in PAGES.items()}, context)


@pytest.mark.usefixtures("trusted")
def test_pages_come_over_tls_directly_and_through_every_kind_of_proxy(
    engine: Engine, authority: trustme.CA, forward: int
) -> None:
    proxies = [Proxy(scheme, "127.0.0.1", forward) for scheme in SCHEMES]
    with secure(authority) as server:
        wants = [(server.url(path), proxy) for proxy in (None, *proxies) for path in ("/", "/gzip")]
        found = ask(engine, *wants)
        connections = server.connections

    assert [type(answer) for answer in found] == [Page] * 10
    # To libcurl both kinds of HTTP proxy are one where it tunnels anyway.
    assert connections == (4 if engine.name else 5)


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_is_of_class_tls(
    engine: Engine, authority: trustme.CA
) -> None:
    with secure(authority, "other.example") as server:
        assert kinds(ask(engine, (server.url(), None))) == [Kind.TLS]


def test_a_certificate_of_nobody_is_of_class_tls_with_the_site_in_doubt_behind_a_proxy(
    engine: Engine, authority: trustme.CA, forward: int
) -> None:
    with secure(authority) as server:
        wants = [(server.url(), proxy) for proxy in (None, Proxy("socks5", "127.0.0.1", forward))]
        found = ask(engine, *wants)

    assert [(answer.kind, answer.doubt) for answer in found if isinstance(answer, Failed)] == [
        (Kind.TLS, None),
        (Kind.PROXY, Kind.TLS),
    ]


@pytest.mark.parametrize("said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_who_knows_no_tls_is_of_class_tls(engine: Engine, said: bytes) -> None:
    with Rude(said) as rude:
        assert kinds(ask(engine, (f"https://127.0.0.1:{rude.port}/", None))) == [Kind.TLS]


# proxies


def test_pages_come_through_every_kind_of_proxy_by_one_connection_each(
    engine: Engine, forward: int
) -> None:
    with RawServer({"/": [page()], "/2": [page()]}) as server:
        proxies = [Proxy(scheme, "127.0.0.1", forward) for scheme in SCHEMES[1:]]
        found = ask(engine, *[(server.url(p), proxy) for proxy in proxies for p in ("/", "/2")])

        assert [type(answer) for answer in found] == [Page] * 6
        assert server.connections == 3


def test_a_forward_proxy_is_asked_over_a_connection_that_is_kept(engine: Engine) -> None:
    with RawServer({"/a": [page()], "/b": [page()]}) as proxy:
        through = parse(f"http://ann:se%3Acret@127.0.0.1:{proxy.port}")
        found = ask(
            engine, ("http://one.example/a?x=1", through), ("http://two.example/b", through)
        )
        first = proxy.requests[0]

        assert [type(answer) for answer in found] == [Page, Page]
        assert first.first == "GET http://one.example/a?x=1 HTTP/1.1"
        assert first.headers["Host"] == "one.example"
        assert first.headers["Proxy-Authorization"] == "Basic YW5uOnNlOmNyZXQ="
        assert proxy.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_connection_of_one_user_of_a_proxy_is_used_for_another(
    engine: Engine, scheme: str
) -> None:
    with RawServer({"/": [page()], "connect": [b"HTTP/1.1 200 Yes\r\n\r\n"]}) as proxy:
        users = [
            parse(f"{scheme}://{user}127.0.0.1:{proxy.port}") for user in ("", "ann:x@", "bob:x@")
        ]
        found = ask(engine, *[("http://a.example/", user) for user in (*users, *users)])

        assert [type(answer) for answer in found] == [Page] * 6
        assert proxy.connections == 3


@pytest.mark.usefixtures("trusted")
def test_no_tls_session_of_one_user_of_a_proxy_is_resumed_by_another(
    engine: Engine, authority: trustme.CA, forward: int
) -> None:
    def user(scheme: str, name: str) -> Proxy:
        return parse(f"{scheme}://{name}:x@127.0.0.1:{forward}")

    proxies = [user(scheme, name) for scheme in SCHEMES[:2] for name in ("ann", "bob")]
    proxies += [user("socks5", "ann"), user("socks5", "bob"), Proxy("socks4", "127.0.0.1", forward)]
    context = Resumable(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with RawServer({"/": [page()]}, context) as server:
        found = ask(engine, *[(server.url(), proxy) for proxy in (None, *proxies)])

    assert [type(answer) for answer in found] == [Page] * 8
    assert not any(context.resumed)
    assert len(context.resumed) >= 6


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_proxy_that_is_not_there_is_blamed_and_never_gone_around(
    engine: Engine, server: RawServer, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    before = len(server.requests)
    proxy = parse(f"{scheme}://ann:secret@127.0.0.1:{free_port()}")

    (found,) = ask(engine, (server.url(), proxy))

    assert isinstance(found, Failed)
    assert (found.kind, found.doubt) == (Kind.PROXY, None)
    assert "secret" not in repr(found)
    assert len(server.requests) == before


def test_what_the_environment_says_of_proxies_counts_for_nothing(
    engine: Engine, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    assert kinds(ask(engine, (server.url(), None))) == [Page]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("status", "doubt"), [("407 No", None), ("502 Bad", Kind.HTTP_5XX), ("504 Late", Kind.HTTP_5XX)]
)
def test_a_proxy_that_refuses_is_blamed_with_the_site_in_doubt_when_it_says_so(
    engine: Engine, scheme: str, status: str, doubt: Kind | None
) -> None:
    refusal = [page(b"no", status)]
    with RawServer({"/x": refusal, "connect": refusal}) as proxy:
        (found,) = ask(engine, ("http://a.example/x", Proxy(scheme, "127.0.0.1", proxy.port)))

    assert isinstance(found, Failed)
    assert (found.kind, found.doubt) == (Kind.PROXY, doubt)


def test_a_site_that_a_proxy_does_not_reach_is_in_doubt(engine: Engine, forward: int) -> None:
    proxy = Proxy("socks5", "127.0.0.1", forward)

    (found,) = ask(engine, (f"http://127.0.0.1:{free_port()}/", proxy))

    assert isinstance(found, Failed)
    assert found.kind is Kind.PROXY


@pytest.mark.parametrize("said", [b"", b"\x05", b"\x00", b"\xff" * 8])
def test_a_proxy_that_hangs_up_is_blamed(engine: Engine, said: bytes) -> None:
    with Rude(said) as rude:
        proxies = [Proxy(scheme, "127.0.0.1", rude.port) for scheme in SCHEMES]
        found = ask(engine, *[("http://a.example/", proxy) for proxy in proxies])

    assert kinds(found) == [Kind.PROXY] * 4


def test_a_silent_proxy_costs_no_more_than_the_deadline(engine: Engine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxies = [Proxy(scheme, "127.0.0.1", silent.getsockname()[1]) for scheme in SCHEMES]
        wants = [("http://a.example/", proxy) for proxy in proxies]
        found = ask(engine, *wants, at_once=True, timeout="0.8s")

    assert kinds(found) == [Kind.PROXY] * 4
    assert all(isinstance(answer, Failed) and answer.doubt is Kind.TIMEOUT for answer in found)


# cookies


def test_cookies_go_back_by_the_way_they_came_and_by_no_other(engine: Engine) -> None:
    given = page(Set_Cookie="id=1; Path=/; HttpOnly")
    with RawServer({"/in": [given], "/": [page()]}) as one, RawServer({"/": [page()]}) as two:
        first, second = (Proxy("http", "127.0.0.1", each.port) for each in (one, two))
        url = "http://a.example/"
        ask(
            engine,
            (f"{url}in", first),
            (url, first),
            (url, second),
            ("http://b.example/", first),
        )
        told = [request.headers.get("Cookie") for request in (*one.requests, *two.requests)]

    assert told == [None, "id=1", None, None]


def test_a_site_that_sets_ever_new_cookies_is_bounded(engine: Engine) -> None:
    def more(before: int) -> Sequence[Any]:
        return [page(Set_Cookie=f"name{before}=x; Path=/"), *([CLOSE] if before > 98 else [])]

    with RawServer({"/": more}) as server:
        ask(engine, *[(server.url(), None)] * 80)
        sent = [request.headers.get("Cookie", "") for request in server.requests]

    assert max(len(cookies.split(";")) for cookies in sent) <= 50
    assert sent[-1]


def test_a_browsers_session_is_renewed_while_others_still_use_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(impersonating, "MOST_REQUESTS", 2)
    scripts: dict[str, Script] = {"/": [page()], "/slowly": [Trickle(page(TEN * 3))]}
    with RawServer(scripts) as server:
        paths = ("/slowly", *["/"] * 9)
        found = ask(ENGINES["chrome"], *[(server.url(path), None) for path in paths], at_once=True)

        assert [type(answer) for answer in found] == [Page] * 10


class Resumable(ssl.SSLContext):
    """Notes of each connection whether it goes on with the TLS session of one before."""

    resumed: list[bool]

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        sock = super().wrap_socket(*args, **kwargs)
        self.resumed = [*getattr(self, "resumed", []), bool(sock.session_reused)]
        return sock


class Rude(RawServer):
    """Takes what comes, says something and hangs up."""

    def __init__(self, said: bytes) -> None:
        super().__init__({})
        self._said = said

    def serve(self, sock: socket.socket) -> None:
        sock.recv(65_536)
        sock.sendall(self._said)
