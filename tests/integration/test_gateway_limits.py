"""What the gateway refuses, and what nobody can do to it."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time

import pytest

from proxies.gateway import client as clients
from proxies.gateway import http, stream, transfer
from proxies.model import Proxy
from proxies.pool.picker import Outcome
from tests.support.gateway import (
    OK,
    Reader,
    Stage,
    Talk,
    Writer,
    connecting,
    echoing,
    hanging,
    saying,
)
from tests.support.orch import eventually


@pytest.fixture
def stage():
    with Stage() as made:
        yield made


SMUGGLED = "GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("POST http://a.test/ HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        ("POST http://a.test/ HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n", 400),
        ("POST http://a.test/ HTTP/1.1\r\nContent-Length: +5\r\n\r\n", 400),
        ("POST http://a.test/ HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n", 400),
        ("POST http://a.test/ HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        ("POST http://a.test/ HTTP/1.1\r\nContent-Length : 5\r\n\r\n", 400),
        (
            "POST http://a.test/ HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
        ("POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (
            (
                "POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
                "Transfer-Encoding: identity\r\n\r\n"
            ),
            400,
        ),
        ("POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding:\x0bchunked\r\n\r\n", 400),
        ("POST http://a.test/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/1.1\r\nX: 1\r\n folded\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/1.1\r\nX: 1\nY: 2\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/1.1\r\nX: a\rb\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/1.1\r\nX: a\0b\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/1.1\r\nno colon\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", 400),
        ("GET  http://a.test/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/2.0\r\n\r\n", 400),
        ("GET http://a.test/\r\n\r\n", 400),
        ("GET http://user@a.test/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a.test:0/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a.test:99999/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a..test/ HTTP/1.1\r\n\r\n", 400),
        ("GET http://a.test/#f HTTP/1.1\r\n\r\n", 400),
        ("GET https://a.test/ HTTP/1.1\r\n\r\n", 501),
        ("GET ftp://a.test/ HTTP/1.1\r\n\r\n", 501),
        ("CONNECT a.test HTTP/1.1\r\n\r\n", 400),
        ("CONNECT http://a.test:443 HTTP/1.1\r\n\r\n", 400),
        ("CONNECT a.test:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400),
        ("GET http://a.test/ HTTP/1.1\r\nX: " + "x" * 40_000 + "\r\n\r\n", 431),
        ("GET http://a.test/ HTTP/1.1\r\n" + "X: 1\r\n" * 200 + "\r\n", 431),
        ("\x01\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_and_never_sent_on(
    stage: Stage, said: str, status: int
) -> None:
    upstream = stage.upstream(saying(OK))
    talk = stage.start().client((said + SMUGGLED).encode("latin-1"))
    assert talk.answer()[0] == status
    assert talk.gone()
    assert upstream.connections == 0


def test_an_answer_with_two_lengths_or_a_switch_that_nobody_asked_for_is_no_answer(
    stage: Stage,
) -> None:
    for said in (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 50_000 + b"\r\n\r\n",
    ):
        stage.supply.give([])
        stage.upstream(saying(said))
        if not stage.port:
            stage.start()
        assert stage.client().get("http://a.test/")[0] == 502


@pytest.mark.parametrize("more", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"])
def test_of_an_answer_with_chunks_and_a_length_the_chunks_count_and_no_more_is_read(
    stage: Stage, more: bytes
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    upstream = stage.upstream(saying(head + b"2\r\nok\r\n0\r\n\r\n" + more))
    talk = stage.start().client()
    for number in range(1, 4):
        status, fields, body = talk.get("http://a.test/")
        assert (status, body) == (200, b"ok")
        assert "content-length" not in fields
        assert upstream.connections == number


def test_what_an_upstream_sends_behind_its_answer_reaches_nobody(stage: Stage) -> None:
    upstream = stage.upstream(saying(OK + OK.replace(b"ok", b"no")))
    talk = stage.start().client()
    for number in range(1, 4):
        assert talk.get("http://a.test/")[2] == b"ok"
        assert upstream.connections == number


def test_a_body_that_breaks_off_or_is_no_body_reaches_no_upstream_as_whole(stage: Stage) -> None:
    ended: list[bool] = []

    async def takes(reader: Reader, writer: Writer) -> None:
        try:
            await reader.read(-1)
            ended.append(True)
        except ConnectionResetError:
            ended.append(False)
            raise

    upstream = stage.upstream(takes)
    stage.start()
    for body in (b"5\r\nhello\r\nzz\r\n", b"5\r\nhello!\r\n", b"5;" + b"x" * 5000):
        talk = stage.client(
            b"POST http://a.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + body
        )
        assert talk.answer()[0] == 400
    talk = stage.client(b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 50\r\n\r\nhello")
    talk.sock.shutdown(socket.SHUT_WR)
    assert talk.answer()[0] == 400
    eventually(lambda: len(ended) == 4 and not upstream.open)
    assert ended == [False] * 4
    assert stage.standing(upstream.proxy).failures == 0
    assert stage.supply.reported == [(upstream.proxy.key, Outcome.UNUSED)] * 4


def test_a_head_that_does_not_come_is_not_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.upstream(saying(OK))
    kept = stage.start().client()
    assert kept.get("http://a.test/")[0] == 200
    monkeypatch.setattr(http, "HEAD_S", 3.0)
    monkeypatch.setattr(clients, "HEAD_S", 3.0)
    silent, slow = stage.client(), stage.client(b"GET http://a.te")
    kept.send(b"GET http://a.te")
    drip = stage.client()
    for letter in b"GET http://a.test/ HTTP/1.1\r\n" * 3:
        with contextlib.suppress(OSError):
            drip.send(bytes([letter]))
        time.sleep(0.05)
    assert slow.answer()[0] == 408
    with contextlib.suppress(ConnectionError):
        assert drip.rest().startswith(b"HTTP/1.1 408 ") or drip.gone()
    assert kept.answer()[0] == 408
    assert silent.rest() == b""


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"\4\1\0\x50\x7f\0\0\1\0", b"\0\x5b" + bytes(6)),
        (b"\x16\x03\1\2\0\1\0\1\xfc\3\3", b"\x15\3\1\0\2\2\x28"),
        (b"\0\1\2", b"HTTP/1.1 400 Bad Request\r\n"),
    ],
    ids=["SOCKS4", "TLS", "nonsense"],
)
def test_who_speaks_something_else_is_told_at_once(
    stage: Stage, said: bytes, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    upstream = stage.upstream(saying(OK))
    talk = stage.start().client(said)
    talk.sock.shutdown(socket.SHUT_WR)
    assert talk.rest().startswith(answer)
    assert upstream.connections == 0
    assert ("here are HTTP, CONNECT and SOCKS5" in caplog.text) is (said[0] > 0)


def test_a_kept_connection_that_nobody_uses_is_closed_without_a_word(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.upstream(saying(OK))
    kept = stage.start().client()
    assert kept.get("http://a.test/")[0] == 200
    monkeypatch.setattr(http, "KEEP_S", 0.2)  # from the end of the next answer on
    assert kept.get("http://a.test/")[0] == 200
    assert kept.rest() == b""


def test_who_is_refused_while_it_still_sends_reads_why(stage: Stage) -> None:
    talk = stage.start().client()
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20_000)
    talk.send(b"POST http://a.test/ HTTP/1.1\r\nContent-Length: x\r\n\r\n")
    for _ in range(9):
        talk.send(b"x" * 100_000)
        time.sleep(0.01)
    assert talk.answer()[0] == 400


def test_more_clients_than_allowed_are_told_so(stage: Stage) -> None:
    stage.upstream(saying(OK))
    stage.start(most_clients=3)
    talks = [stage.client() for _ in range(3)]
    assert all(talk.get("http://a.test/")[0] == 200 for talk in talks)
    status, _, body = stage.client().answer()
    assert (status, body) == (503, b"the gateway is full.\n")
    talks[0].sock.close()

    def there_is_room() -> bool:
        with contextlib.suppress(OSError):  # it is hung up on before it has asked
            return bool(stage.client().get("http://a.test/")[0] == 200)
        return False

    eventually(there_is_room)


def test_bodies_are_not_kept_in_memory_however_large_and_however_slow_the_reader(
    stage: Stage,
) -> None:
    size = 60_000_000

    async def sends(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()

    stage.upstream(sends)
    talk = stage.start().client(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    talk.until(b"\r\n\r\n")
    most, got = 0, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while got < size - len(talk.data):
        got += len(talk.sock.recv(500_000))
        streams = list(stage.setup.streams)
        most = max(most, sum(len(s.buffer) + s.unsent for s in streams if s.lost is None))
    assert most < 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_a_client_that_falls_asleep_sees_that_it_has_not_got_all(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a length the end of the connection is the end of the answer: a cut must not look like it."""
    monkeypatch.setattr(stream, "STALLED_S", 0.3)
    monkeypatch.setattr(transfer, "STALLED_S", 0.3)
    size = 40_000_000  # more than all buffers of the system hold

    async def sends(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(size // 100_000):
            writer.write(b"x" * 100_000)
            await writer.drain()

    stage.upstream(sends)
    stage.start()

    talk = stage.client(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    talk.until(b"\r\n\r\n")
    eventually(lambda: not stage.setup.streams)
    with pytest.raises(ConnectionResetError):
        talk.rest()


def test_what_is_left_of_an_answer_waits_for_a_slow_reader_and_for_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALLED_S", 3.5)
    monkeypatch.setattr(clients, "LINGER_S", 0.1)
    size = 60_000  # so that it is closed while most of it is still here
    stage.upstream(saying(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size))
    stage.start()

    def narrow() -> Talk:
        """A client for which the system keeps next to nothing, and which asks for one page."""
        talk = Talk(socket.socket())
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        talk.sock.connect(("127.0.0.1", stage.port))
        talk.send(b"GET ")
        (client,) = eventually(lambda: [c for c in list(stage.server.clients) if c.buffer])
        sock = stage.call(lambda: client.transport.get_extra_info("socket"))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        talk.send(b"http://a.test/ HTTP/1.1\r\nConnection: close\r\n\r\n")
        talk.until(b"\r\n\r\n")
        return talk

    slow, asleep = narrow(), narrow()
    got = len(slow.data)
    with slow.sock, asleep.sock:
        begun = time.monotonic()
        while piece := slow.sock.recv(1000):
            got += len(piece)
            time.sleep(0.13)
        assert got == size
        assert time.monotonic() - begun > 2 * stream.STALLED_S
        eventually(lambda: all(one.idle for one in list(stage.setup.streams)))
        with pytest.raises(ConnectionResetError):
            asleep.rest()


def test_of_an_upstream_that_takes_no_more_of_a_body_a_client_is_told(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "STALLED_S", 0.3)

    async def stops(reader: Reader, writer: Writer) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    upstream = stage.upstream(stops)
    talk = stage.start().client(b"POST http://a.test/ HTTP/1.1\r\nContent-Length: 90000000\r\n\r\n")
    talk.sock.settimeout(0.2)
    with contextlib.suppress(OSError):
        for _ in range(900):
            talk.send(b"x" * 100_000)
    talk.sock.settimeout(10)
    assert talk.answer()[0] == 504
    eventually(lambda: stage.supply.reported == [(upstream.proxy.key, Outcome.DOUBTED)])


def test_a_client_that_asks_and_asks_and_reads_nothing_is_dropped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALLED_S", 0.3)
    for port in range(1, 400):
        stage.add(Proxy("http", "127.0.0.1", port))
    talk = stage.start().client()
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    talk.sock.settimeout(0.1)
    with contextlib.suppress(OSError):
        while True:
            talk.send(b"GET /all HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 100)
    eventually(lambda: not stage.server.clients)


def test_an_upload_is_streamed_too(stage: Stage) -> None:
    size = 20_000_000
    taken = 0

    async def takes(reader: Reader, writer: Writer) -> None:
        nonlocal taken
        await reader.readuntil(b"\r\n\r\n")
        while taken < size:
            taken += len(await reader.read(100_000))
        writer.write(OK)
        await reader.read()

    stage.upstream(takes)
    talk = stage.start().client(
        b"POST http://a.test/ HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size
    )
    most = 0
    for _ in range(size // 100_000):
        talk.send(b"x" * 100_000)
        streams = list(stage.setup.streams)
        most = max(most, sum(len(s.buffer) + s.unsent for s in streams if s.lost is None))
    assert talk.answer()[0] == 200
    assert most < 1_000_000


# A stop.


def test_a_stop_lets_what_runs_finish_and_takes_nothing_new(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "LINGER_S", 0.1)
    answer_now = []

    async def slow(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer_now.append(writer)
        await reader.read()

    stage.upstream(slow, seconds=0.001)
    stage.start()
    idle = stage.client()
    busy = stage.client(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    eventually(lambda: answer_now)
    draining = stage.call(lambda: stage.loop.create_task(stage.server.drain(60)))
    eventually(lambda: stage.setup.draining)
    assert idle.gone()
    assert not draining.done()
    with pytest.raises(ConnectionRefusedError):
        stage.client()
    stage.call(lambda: answer_now[0].write(OK))
    status, fields, body = busy.answer()
    assert (status, fields["connection"], body) == (200, "close", b"ok")
    assert busy.gone()
    eventually(draining.done)


def test_a_stop_waits_for_nobody_for_ever(stage: Stage) -> None:
    stage.upstream(connecting(echoing), seconds=0.001)
    stage.start()
    tunnel = stage.client(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
    tunnel.until(b"\r\n\r\n")
    stage.supply.give([])
    stage.upstream(hanging)
    waiting = stage.client(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    eventually(lambda: stage.supply.counts()["in_flight"] == 1)

    async def endless(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await reader.read()

    stage.supply.give([])
    stage.upstream(endless)
    half = stage.client(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    half.until(b"\r\n\r\n")
    stage.do(stage.server.drain(0.2))
    stage.do(stage.server.__aexit__())
    assert tunnel.gone()
    assert waiting.gone()
    with pytest.raises(ConnectionResetError):
        half.rest()  # an end would mean that it has all
    assert not stage.setup.streams
