"""CONNECT and SOCKS5 through the gateway, by upstreams of every kind."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import struct

import pytest

from proxies.gateway import choice
from proxies.model import Proxy
from proxies.pool.picker import Outcome
from tests.support.gateway import (
    Handler,
    Reader,
    Stage,
    Writer,
    connecting,
    echoing,
    garbage,
    hanging,
    refusing,
    saying,
)
from tests.support.orch import eventually
from tests.support.zoo_certificates import Certificates

FAST, SLOW = 0.001, 900.0
GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
CONNECT = b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n\r\n"
#: The beginning of what a client of TLS says first: one whole record of the handshake.
HELLO = b"\x16\x03\x01\x00\x05hello"
SERVER_HELLO = b"\x16\x03\x03\x00\x05there"


@pytest.fixture
def stage():
    with Stage() as made:
        yield made


def socks5(inside: Handler, *, username: str = "", password: str = "", reply: int = 0) -> Handler:
    """A SOCKS5 proxy that wants the credentials, and checks that it is asked for shop.test:443."""

    async def handle(reader: Reader, writer: Writer) -> None:
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        if username:
            assert 2 in offered
            writer.write(b"\5\2")
            (_, size) = await reader.readexactly(2)
            told = await reader.readexactly(size)
            (size,) = await reader.readexactly(1)
            good = (told.decode(), (await reader.readexactly(size)).decode()) == (
                username,
                password,
            )
            writer.write(b"\1\0" if good else b"\1\1")
            if not good:
                return
        else:
            writer.write(b"\5\0")
        asked = await reader.readexactly(4 + 1 + 9 + 2)
        assert asked == b"\5\1\0\3\x09shop.test\x01\xbb"
        writer.write(bytes((5, reply, 0, 3, 4)) + b"name" + b"\0\0")
        if not reply:
            await inside(reader, writer)

    return handle


def socks4(inside: Handler) -> Handler:
    async def handle(reader: Reader, writer: Writer) -> None:
        asked = await reader.readexactly(8)
        assert asked == b"\4\1\x01\xbb\0\0\0\1"  # 4a: the name is the proxy's to look up
        assert await reader.readuntil(b"\0") == b"ann\0"
        assert await reader.readuntil(b"\0") == b"shop.test\0"
        writer.write(b"\0\x5a" + bytes(6))
        await inside(reader, writer)

    return handle


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5", "socks5 with a password"])
def test_bytes_go_both_ways_by_every_kind_of_upstream(stage: Stage, scheme: str) -> None:
    password = "secret" if "password" in scheme else ""
    made = {
        "http": connecting(echoing),
        "https": connecting(echoing),
        "socks4": socks4(echoing),
        "socks5": socks5(echoing, username="ann" if password else "", password=password),
    }[scheme.split(maxsplit=1)[0]]
    user = "ann" if password or scheme == "socks4" else ""
    upstream = stage.upstream(
        made, scheme=scheme.split(maxsplit=1)[0], username=user, password=password
    )
    talk = stage.start().client(CONNECT)
    assert talk.until(b"\r\n\r\n") == GRANTED
    talk.send(b"hello")
    assert talk.exactly(5) == b"hello"
    big = bytes(range(256)) * 8000
    talk.sock.settimeout(20)
    stage.loop.call_soon_threadsafe(lambda: None)
    sent = 0
    while sent < len(big):
        talk.send(big[sent : sent + 50_000])
        assert talk.exactly(len(big[sent : sent + 50_000])) == big[sent : sent + 50_000]
        sent += 50_000
    talk.sock.shutdown(socket.SHUT_WR)
    assert talk.rest() == b""
    eventually(lambda: stage.supply.reported == [(upstream.proxy.key, Outcome.OK)])


def test_a_proxy_is_let_in_by_its_own_credentials_and_never_sees_the_clients(stage: Stage) -> None:
    heads: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(GRANTED)
        await echoing(reader, writer)

    stage.upstream(handle, scheme="https", username="ann", password="secret")
    talk = stage.start().client(
        CONNECT[:-2] + b"Proxy-Authorization: Basic c2Vzc2lvbi03OnB3\r\nUser-Agent: me\r\n\r\n"
    )
    talk.until(b"\r\n\r\n")
    pair = base64.b64encode(b"ann:secret").decode()
    assert heads == [
        b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n"
        b"Proxy-Authorization: Basic " + pair.encode() + b"\r\n\r\n"
    ]


@pytest.mark.parametrize("kind", ["connect", "socks5"])
def test_a_plain_request_goes_through_a_tunnel_where_the_upstream_knows_nothing_else(
    stage: Stage, kind: str
) -> None:
    heads: list[bytes] = []

    async def site(reader: Reader, writer: Writer) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    handler = connecting(site) if kind == "connect" else socks5(site)
    upstream = stage.upstream(handler, scheme="https" if kind == "connect" else kind)
    talk = stage.start().client()
    for _ in range(3):
        assert talk.get("http://shop.test:443/a?b")[0] == 200
    assert heads[0] == b"GET /a?b HTTP/1.1\r\nHost: shop.test:443\r\n\r\n"
    assert upstream.connections == 1  # the tunnel is kept too


def test_half_closing_is_passed_on_in_both_directions(stage: Stage) -> None:
    async def answers_at_the_end(reader: Reader, writer: Writer) -> None:
        said = await reader.read()
        writer.write(said[::-1])
        writer.write_eof()
        await reader.read()

    async def ends_first(reader: Reader, writer: Writer) -> None:
        writer.write(b"bye")
        writer.write_eof()
        assert await reader.read() == b"still here"

    first = stage.upstream(connecting(answers_at_the_end), seconds=FAST)
    talk = stage.start().client(CONNECT)
    talk.until(b"\r\n\r\n")
    talk.send(b"hello")
    talk.sock.shutdown(socket.SHUT_WR)
    assert talk.rest() == b"olleh"
    eventually(lambda: first.open == 0)

    stage.supply.give([])
    second = stage.upstream(connecting(ends_first))
    talk = stage.client(CONNECT)
    talk.until(b"\r\n\r\n")
    assert talk.rest() == b"bye"
    talk.send(b"still here")
    talk.sock.close()
    eventually(lambda: second.open == 0)


def test_a_client_that_goes_away_ends_the_tunnel_at_once(stage: Stage) -> None:
    async def chatty(reader: Reader, writer: Writer) -> None:
        while not reader.at_eof():
            writer.write(b"x" * 10_000)
            await writer.drain()
            await asyncio.sleep(0.01)

    upstream = stage.upstream(connecting(chatty))
    talk = stage.start().client(CONNECT)
    talk.exactly(50_000)
    talk.sock.close()
    eventually(lambda: upstream.open == 0)
    eventually(lambda: stage.standing(upstream.proxy).in_flight == 0)


def test_an_upstream_that_breaks_off_breaks_off_the_client(stage: Stage) -> None:
    async def breaks(reader: Reader, writer: Writer) -> None:
        writer.write(b"some")
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    stage.upstream(connecting(breaks))
    talk = stage.start().client(CONNECT)
    talk.until(b"\r\n\r\n")
    assert talk.exactly(4) == b"some"
    talk.send(b"x")
    with pytest.raises(ConnectionResetError):
        talk.rest()


def test_a_slow_reader_holds_up_the_sender_and_not_our_memory(stage: Stage) -> None:
    sent = 0

    async def floods(reader: Reader, writer: Writer) -> None:
        nonlocal sent
        for _ in range(2000):
            writer.write(b"x" * 50_000)
            await writer.drain()
            sent += 50_000

    stage.upstream(connecting(floods))
    talk = stage.start().client(CONNECT)
    talk.until(b"\r\n\r\n")
    talk.exactly(100_000)
    eventually(lambda: any(stream.choked for stream in list(stage.setup.streams)))
    kept = [len(stream.buffer) + stream.unsent for stream in list(stage.setup.streams)]
    assert sum(kept) < 1_000_000
    assert sent < 90_000_000  # the rest waits with the sender
    assert len(talk.rest()) == 100_000_000 - 100_000


BAD: dict[str, Handler] = {
    "refuses": refusing,
    "hangs": hanging,
    "sends garbage": garbage,
    "wants credentials": saying(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"),
    "cannot": saying(b"HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n"),
    "forbids tunnels": saying(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n"),
}


def test_of_upstreams_that_make_no_tunnel_a_client_notices_nothing(stage: Stage) -> None:
    for name, handler in BAD.items():
        stage.supply.give([])
        stage.supply.reported.clear()
        bad = stage.upstream(handler, seconds=FAST).proxy
        good = stage.upstream(connecting(echoing), seconds=SLOW).proxy
        if not stage.port:
            stage.start(answer_timeout=4.0)
        talk = stage.client(CONNECT)
        assert talk.until(b"\r\n\r\n") == GRANTED, name
        talk.send(b"hi")
        assert talk.exactly(2) == b"hi"
        told = {(bad.key, Outcome.FAILED), (good.key, Outcome.OK)}
        eventually(lambda told=told: set(stage.supply.reported) == told, what=name)


async def _closes(reader: Reader, writer: Writer) -> None:
    await reader.read(1)


async def _says_html(reader: Reader, writer: Writer) -> None:
    await reader.read(1)
    writer.write(b"<html>blocked</html>")
    await reader.read()


@pytest.mark.parametrize("inside", [_closes, hanging, _says_html, refusing])
def test_a_tunnel_that_carries_nothing_is_made_anew_for_the_opening_of_tls(
    stage: Stage, inside: Handler
) -> None:
    seen: list[bytes] = []

    async def answers(reader: Reader, writer: Writer) -> None:
        seen.append(await reader.readexactly(len(HELLO)))
        writer.write(SERVER_HELLO)
        await echoing(reader, writer)

    bad = stage.upstream(connecting(inside), seconds=FAST).proxy
    stage.upstream(connecting(answers), seconds=SLOW)
    talk = stage.start(answer_timeout=4.0).client(CONNECT + HELLO)
    assert talk.until(b"\r\n\r\n") == GRANTED
    assert talk.exactly(len(SERVER_HELLO)) == SERVER_HELLO
    talk.send(b"more")
    assert talk.exactly(4) == b"more"
    assert seen == [HELLO]
    eventually(lambda: (bad.key, Outcome.FAILED) in stage.supply.reported)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n\r\n", HELLO + b"\x17\x03\x03\x00\x01x"])
def test_what_may_ask_for_something_is_never_said_twice(stage: Stage, said: bytes) -> None:
    async def takes(reader: Reader, writer: Writer) -> None:
        await reader.readexactly(len(said))

    stage.upstream(connecting(takes), seconds=FAST)
    other = stage.upstream(connecting(echoing), seconds=SLOW)
    talk = stage.start().client(CONNECT + said)
    talk.until(b"\r\n\r\n")
    assert talk.gone()
    assert other.connections == 0


def test_what_cannot_be_said_twice_is_waited_for_also_by_one_on_trial(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "TRIAL_S", 0.1)
    early = HELLO + b"\x17\x03\x03\x00\x01x"

    async def slow(reader: Reader, writer: Writer) -> None:
        await reader.readexactly(len(early))
        await asyncio.sleep(0.5)
        writer.write(SERVER_HELLO)
        await reader.read()

    for _ in range(2):
        stage.upstream(connecting(slow))
    talk = stage.start().client(CONNECT + early)
    talk.until(b"\r\n\r\n")
    assert talk.exactly(len(SERVER_HELLO)) == SERVER_HELLO


def test_tls_is_opened_by_nobody_in_between(stage: Stage, tmp_path) -> None:
    made = Certificates(tmp_path)
    trusted = ssl.create_default_context(cafile=str(made.ca))

    async def site(reader: Reader, writer: Writer) -> None:
        await writer.start_tls(made.judge)
        said = await reader.read(100)
        writer.write(said.upper())
        await writer.drain()

    stage.upstream(connecting(site))
    talk = stage.start().client(CONNECT)
    talk.until(b"\r\n\r\n")
    with trusted.wrap_socket(talk.sock, server_hostname="localhost") as inside:
        assert isinstance(inside, ssl.SSLSocket)
        inside.sendall(b"hello")
        assert inside.recv(100) == b"HELLO"


# SOCKS5 clients.


def test_a_socks5_client_is_served_by_name_and_by_address(stage: Stage) -> None:
    asked: list[bytes] = []

    async def handle(reader: Reader, writer: Writer) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        writer.write(GRANTED)
        await echoing(reader, writer)

    stage.upstream(handle)
    stage.start()
    for address in (
        b"\3\x09shop.test\x01\xbb",
        b"\1\x0a\0\0\1\x00\x50",
        b"\4" + bytes(15) + b"\1\x1f\x90",
    ):
        talk = stage.client(b"\5\1\0")
        assert talk.exactly(2) == b"\5\0"
        talk.send(b"\5\1\0" + address)
        assert talk.exactly(10) == b"\5\0\0\1" + bytes(6)
        talk.send(b"hello")
        assert talk.exactly(5) == b"hello"
    assert asked == [
        b"CONNECT shop.test:443 HTTP/1.1",
        b"CONNECT 10.0.0.1:80 HTTP/1.1",
        b"CONNECT [::1]:8080 HTTP/1.1",
    ]


def test_a_socks5_clients_user_name_is_its_route(stage: Stage) -> None:
    stage.upstream(connecting(echoing))
    stage.start(password="pw")
    user = b"site-books-session-7"
    talk = stage.client(b"\5\2\0\2\1%c%s\2pw\5\1\0\3\x09shop.test\x01\xbb" % (len(user), user))
    assert talk.exactly(4 + 10) == b"\5\2\1\0\5\0\0\1" + bytes(6)
    assert stage.supply.picker.picked == [("books", "7")]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"\5\1\0", b"\5\xff"),  # no password where one is wanted
        (b"\5\1\2\1\1x\2no", b"\5\2\1\1"),  # a wrong one
        (b"\5\1\2\1\1x\2pw", b"\5\2\1\1"),  # a user name that says nothing
        (b"\5\1\2\1\0\2pw\5\2\0\1\x7f\0\0\1\0\x50", b"\5\2\1\0\5\7\0\1" + bytes(6)),  # BIND
        (b"\5\1\2\1\0\2pw\5\1\0\x09", b"\5\2\1\0\5\x08\0\1" + bytes(6)),  # no such address
        (b"\5\1\2\1\0\2pw\5\1\0\3\4a\r\nb\0\x50", b"\5\2\1\0\5\4\0\1" + bytes(6)),  # no name
        (b"\5\1\2\1\0\2pw\5\1\0\3\1a\0\0", b"\5\2\1\0\5\4\0\1" + bytes(6)),  # no port
    ],
)
def test_what_socks5_does_not_allow_is_refused_in_its_own_words(
    stage: Stage, said: bytes, told: bytes
) -> None:
    upstream = stage.upstream(connecting(echoing))
    assert stage.start(password="pw").client(said).rest() == told
    assert upstream.connections == 0


def test_a_socks5_client_hears_that_no_upstream_could(stage: Stage) -> None:
    stage.upstream(BAD["cannot"])
    talk = stage.start().client(b"\5\1\0\5\1\0\3\x09shop.test\x01\xbb")
    assert talk.rest() == b"\5\0\5\4\0\1" + bytes(6)


def test_one_that_is_known_to_carry_no_tls_gets_no_tunnels(stage: Stage) -> None:
    plain = stage.upstream(saying(b""), tls=False, seconds=FAST)
    stage.upstream(connecting(echoing), seconds=SLOW)
    stage.start()
    for _ in range(5):
        assert stage.client(CONNECT).until(b"\r\n\r\n") == GRANTED
    assert plain.connections == 0
    stage.supply.give([record for record in stage.supply.records if record.verdict.tls is False])
    assert stage.client(CONNECT).answer()[2] == b"none of 1 usable proxies serves for this\n"


def test_a_wrong_password_of_an_upstream_is_its_own_fault(stage: Stage) -> None:
    bad = stage.upstream(
        socks5(echoing, username="ann", password="x"), scheme="socks5", username="ann", password="y"
    )
    assert isinstance(bad.proxy, Proxy)
    talk = stage.start().client(CONNECT)
    status, _, body = talk.answer()
    assert status == 502
    assert body.endswith(b"wants other credentials\n")
    eventually(lambda: stage.standing(bad.proxy).failures == 1)
