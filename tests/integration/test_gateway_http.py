"""Plain HTTP through the gateway: what a proxy must and must not do with it, over real sockets."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.support.gateway import OK, Reader, Stage, Writer, noting, saying
from tests.support.orch import eventually


@pytest.fixture
def stage():
    with Stage() as made:
        yield made


def answer(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode() + body


def test_a_request_goes_out_in_the_absolute_form_and_its_answer_comes_back(stage: Stage) -> None:
    heads: list[bytes] = []
    stage.upstream(noting(heads, answer("Content-Length: 5", "X-Site: 1", body=b"hello")))
    status, fields, body = stage.start().client().get("http://shop.test:81/a?b=1", "X-Own: 2")
    assert (status, body, fields["x-site"]) == (200, b"hello", "1")
    assert heads == [
        b"GET http://shop.test:81/a?b=1 HTTP/1.1\r\nHost: shop.test:81\r\nX-Own: 2\r\n\r\n"
    ]


def test_fields_of_one_hop_go_no_further(stage: Stage) -> None:
    heads: list[bytes] = []
    said = answer(
        "Content-Length: 2",
        "Connection: X-Secret, keep-alive",
        "X-Secret: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Authenticate: Basic",
        "X-Kept: 1",
        body=b"ok",
    )
    stage.upstream(noting(heads, said))
    _, fields, _ = (
        stage.start()
        .client()
        .get(
            "http://shop.test/",
            "Connection: X-Hop, close",
            "X-Hop: 1",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic c2l0ZS1ib29rczpw",
            "TE: trailers",
            "Keep-Alive: 5",
            "Upgrade: h2c",
            "X-Kept: 1",
        )
    )
    assert heads == [b"GET http://shop.test/ HTTP/1.1\r\nHost: shop.test\r\nX-Kept: 1\r\n\r\n"]
    assert fields == {"content-length": "2", "x-kept": "1", "connection": "close"}


def test_the_host_is_that_of_the_url(stage: Stage) -> None:
    heads: list[bytes] = []
    stage.upstream(noting(heads))
    talk = stage.start().client(b"GET http://a.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n")
    assert talk.answer()[0] == 200
    assert b"\r\nHost: a.test\r\n" in heads[0]
    assert b"b.test" not in heads[0]


def test_connections_are_kept_on_both_sides(stage: Stage) -> None:
    upstream = stage.upstream(saying(OK))
    talk = stage.start().client()
    for _ in range(20):
        assert talk.get("http://shop.test/")[0] == 200
    assert upstream.connections == 1


def test_requests_that_come_at_once_are_answered_in_turn(stage: Stage) -> None:
    stage.upstream(saying(*(answer("Content-Length: 1", body=b"%d" % n) for n in range(5))))
    talk = stage.start().client(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n" * 5)
    assert [talk.answer()[2] for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing(stage: Stage) -> None:
    async def once(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await writer.drain()
        await reader.readuntil(b"\r\n\r\n")  # and closes without a word

    upstream = stage.upstream(once)
    talk = stage.start(most_tries=1).client()
    for number in range(1, 6):
        assert talk.get("http://shop.test/")[0] == 200
        assert upstream.connections == number
    assert stage.standing(upstream.proxy).failures == 0


def test_a_post_never_takes_a_kept_connection(stage: Stage) -> None:
    upstream = stage.upstream(saying(OK))
    talk = stage.start().client()
    talk.get("http://shop.test/")
    talk.get("http://shop.test/", "Content-Length: 0", method="POST")
    assert upstream.connections == 2


@pytest.mark.parametrize(
    ("method", "said", "length"),
    [
        ("HEAD", answer("Content-Length: 1000"), "1000"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", "1000"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
        ("HEAD", answer("Transfer-Encoding: chunked"), None),
    ],
)
def test_an_answer_without_a_body_ends_with_its_head(
    stage: Stage, method: str, said: bytes, length: str | None
) -> None:
    upstream = stage.upstream(saying(said))
    talk = stage.start().client()
    for _ in range(3):
        _, fields, _ = talk.get("http://shop.test/", method=method)
        assert fields.get("content-length") == length
    assert upstream.connections == 1


def test_chunks_go_through_as_they_are_both_ways(stage: Stage) -> None:
    seen = bytearray()

    async def chunked(reader: Reader, writer: Writer) -> None:
        seen.extend(await reader.readuntil(b"0\r\nX-After: 1\r\n\r\n"))
        head = answer("Transfer-Encoding: chunked", "Trailer: X-Sum")
        writer.write(head + b"3;note=1\r\nabc\r\n")
        await writer.drain()
        await asyncio.sleep(0)
        writer.write(b"A\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n")
        await writer.drain()
        await reader.read()

    stage.upstream(chunked)
    talk = stage.start().client(
        b"POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"
    )
    talk.send(b"llo\r\n0\r\nX-Aft")
    talk.send(b"er: 1\r\n\r\n")
    status, fields, body = talk.answer()
    assert (status, fields["transfer-encoding"], body) == (200, "chunked", b"abc0123456789")
    assert b"5\r\nhello\r\n0\r\nX-After: 1\r\n\r\n" in seen
    assert b"Transfer-Encoding: chunked\r\n" in seen


def test_a_client_of_http_1_0_gets_no_chunks(stage: Stage) -> None:
    said = answer("Transfer-Encoding: chunked") + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    stage.upstream(saying(said))
    talk = stage.start().client(b"GET http://a.test/ HTTP/1.0\r\n\r\n")
    head, _, body = talk.rest().partition(b"\r\n\r\n")
    assert body == b"abcdefg"
    assert b"chunked" not in head


def test_a_client_of_http_1_0_that_asks_for_it_keeps_its_connection(stage: Stage) -> None:
    stage.upstream(saying(OK))
    talk = stage.start().client()
    for _ in range(2):
        talk.send(b"GET http://a.test/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        status, fields, _ = talk.answer()
        assert (status, fields["connection"]) == (200, "keep-alive")


def test_a_client_of_http_1_0_that_does_not_is_sent_off(stage: Stage) -> None:
    stage.upstream(saying(OK))
    for line in (b"", b"Host: a.test\r\n"):
        talk = (stage if stage.port else stage.start()).client(
            b"GET http://a.test/ HTTP/1.0\r\n" + line + b"\r\n"
        )
        assert talk.rest().endswith(b"\r\nConnection: close\r\n\r\nok")


def test_a_body_without_a_length_ends_with_the_connection(stage: Stage) -> None:
    async def endless(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000)
        await writer.drain()

    stage.upstream(endless)
    _, fields, body = stage.start().client().get("http://a.test/")
    assert body == b"x" * 300_000
    assert fields["connection"] == "close"


def test_expect_is_passed_on_and_so_is_the_100(stage: Stage) -> None:
    async def careful(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Expect: 100-continue" in head
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(5)
        writer.write(answer("Content-Length: 5", body=body))
        await reader.read()

    stage.upstream(careful)
    talk = stage.start().client(
        b"POST http://a.test/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )
    assert talk.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    talk.send(b"hello")
    assert talk.answer()[2] == b"hello"


def test_an_answer_that_comes_before_the_body_ends_is_passed_on(stage: Stage) -> None:
    async def hasty(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await reader.read()

    stage.upstream(hasty)
    talk = stage.start().client(
        b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nbegin"
    )
    status, fields, body = talk.answer()
    assert (status, fields["connection"], body) == (413, "close", b"big")
    assert talk.gone()


def test_a_websocket_is_carried_both_ways(stage: Stage) -> None:
    async def upgraded(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in head
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: x\r\n\r\nfirst"
        )
        while piece := await reader.read(100):
            writer.write(piece.upper())
        writer.write(b"bye")

    stage.upstream(upgraded)
    talk = stage.start().client(
        b"GET http://a.test/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Key: x\r\n\r\n"
    )
    head = talk.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nUpgrade: websocket\r\n" in head
    assert talk.exactly(5) == b"first"
    talk.send(b"hello")
    assert talk.exactly(5) == b"HELLO"
    talk.sock.shutdown(socket.SHUT_WR)
    assert talk.rest() == b"bye"


def test_a_client_that_has_sent_all_and_still_reads_gets_its_answer(stage: Stage) -> None:
    release = asyncio.Event()

    async def slow(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        writer.write(OK)
        await reader.read()

    upstream = stage.upstream(slow)
    talk = stage.start().client(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
    talk.sock.shutdown(socket.SHUT_WR)
    eventually(lambda: upstream.open == 1)
    assert talk.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # is anybody there?
    stage.call(release.set)
    assert talk.answer()[2] == b"ok"


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_of_a_client_that_went_away_the_upstream_connection_ends_at_once(
    stage: Stage, how: str
) -> None:
    async def slow(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()  # until the gateway closes

    upstream = stage.upstream(slow, latency_ms=20_000)
    talk = stage.start().client(b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n")
    eventually(lambda: upstream.open == 1)
    if how == "reset":
        linger = bytes((1, 0, 0, 0, 0, 0, 0, 0))
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    talk.sock.close()
    eventually(lambda: upstream.open == 0, timeout=10)  # its answer would take 20 s
    eventually(lambda: stage.standing(upstream.proxy).in_flight == 0)
    assert stage.standing(upstream.proxy).failures == 0
