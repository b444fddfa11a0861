"""Whatever clients and upstreams do, in any order: nothing of it is left, and nothing is said twice."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from proxies.gateway import socks, transfer
from tests.support.gateway import OK, Reader, Stage, Talk, Writer
from tests.support.orch import eventually

BIG = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000


def moody(seed: int) -> Callable[[Reader, Writer], asyncio.Future[None]]:
    """An upstream that does something else each time."""
    draw = random.Random(seed)

    async def handle(reader: Reader, writer: Writer) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            mood = draw.random()
            await asyncio.sleep(draw.random() * 0.02)
            if mood < 0.1:
                writer.transport.abort()
                return
            if mood < 0.2:
                writer.write(OK[: draw.randrange(len(OK))])
                return
            if head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                while piece := await reader.read(1000):
                    writer.write(piece)
                return
            if mood < 0.25:
                await reader.read(-1)
                return
            writer.write(BIG if mood < 0.5 else OK)
            await writer.drain()

    return handle  # type: ignore[return-value]  # a coroutine is one


def whole(talk: Talk, draw: random.Random) -> None:
    for _ in range(draw.randrange(1, 4)):
        talk.get("http://a.test/")


def leaves(talk: Talk, draw: random.Random) -> None:
    talk.send(b"GET http://a.test/ HTTP/1.1\r\n\r\n")
    if draw.random() < 0.5:
        talk.sock.settimeout(draw.random() * 0.03 + 0.001)
        talk.sock.recv(draw.randrange(1, 100_000))
    if draw.random() < 0.5:
        talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def posts(talk: Talk, draw: random.Random) -> None:
    size = draw.randrange(1, 200_000)
    talk.send(b"POST http://a.test/ HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
    sent = size if draw.random() < 0.7 else draw.randrange(size)
    talk.send(b"x" * sent)
    if draw.random() < 0.5:
        talk.sock.shutdown(socket.SHUT_WR)
    talk.answer()


def tunnels(talk: Talk, draw: random.Random) -> None:
    if draw.random() < 0.5:
        talk.send(b"CONNECT a.test:443 HTTP/1.1\r\n\r\n")
    else:
        talk.send(b"\5\1\0\5\1\0\1\x0a\0\0\1\x01\xbb")
    talk.send(draw.choice([b"\x16\x03\x01\x00\x05hello", b"hello", b""]))
    talk.sock.settimeout(draw.random() * 0.2 + 0.01)
    talk.sock.recv(1000)
    if draw.random() < 0.5:
        talk.sock.shutdown(socket.SHUT_WR)
        talk.sock.recv(1000)


def nonsense(talk: Talk, draw: random.Random) -> None:
    talk.send(draw.randbytes(draw.randrange(1, 300)) + b"\r\n\r\n")
    talk.rest()


@pytest.mark.parametrize("seed", range(3))
def test_of_a_crowd_that_does_anything_nothing_is_left(
    tmp_path, seed: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "STALLED_S", 0.3)
    monkeypatch.setattr(socks, "HANDSHAKE_S", 0.3)
    caplog.set_level(logging.WARNING)
    with Stage(tmp_path) as stage:
        for number in range(8):
            stage.upstream(moody(100 * seed + number))
        stage.start(answer_timeout=0.3)

        def client(number: int) -> None:
            draw = random.Random(f"{seed} {number}")
            does = draw.choice([whole, leaves, posts, tunnels, nonsense])
            talk = stage.client(timeout=20)
            try:
                does(talk, draw)
            except (OSError, AssertionError):
                pass
            finally:
                talk.sock.close()

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(client, range(300)))
        counts = stage.supply.counts
        eventually(lambda: counts()["in_flight"] == 0, what=f"{counts()}")
        eventually(lambda: not stage.server.clients)
        eventually(lambda: all(stream.idle for stream in list(stage.setup.streams)))
        assert stage.call(lambda: len(stage.setup.streams)) <= 8 * 32
        assert not [each for each in caplog.records if each.levelno >= logging.ERROR], caplog.text
        assert stage.client().get("/health")[0] == 200
