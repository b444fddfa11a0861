"""The kinds of proxies in the zoo: how each one treats a connection."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import re
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

ADDED = b"<script>added()</script>"


@dataclass
class Animal:
    """What a kind may look at: where it leaves from, whom it lets in, what it has seen."""

    leave_from: str = ""
    username: str = ""
    password: str = ""
    connections: int = 0
    delay: float = 0.0
    remembered: bytes = b""

    async def upstream(
        self, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = (self.leave_from, 0) if self.leave_from else None
        return await asyncio.open_connection(host, port, local_addr=source)


Handler = Callable[[Animal, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# Those that forward plain HTTP.


async def forward(animal: Animal, reader: asyncio.StreamReader, *added: str) -> bytes:
    """Send one request on, with more headers, and return the whole answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    if not lets_in(animal, lines):
        return b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    method, target, _ = first.split(" ")
    url = urlsplit(target)
    assert url.scheme == "http", "an absolute URL is expected"
    assert url.hostname
    await asyncio.sleep(animal.delay)
    kept = [line for line in lines if not line.lower().startswith("proxy-")]
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    up_reader, up_writer = await animal.upstream(url.hostname, url.port or 80)
    request = "\r\n".join([f"{method} {path} HTTP/1.1", *kept, *added, "", ""])
    up_writer.write(request.encode("latin-1"))
    answer = await up_reader.read()
    up_writer.close()
    return answer


def lets_in(animal: Animal, lines: list[str]) -> bool:
    if not animal.username:
        return True
    pair = base64.b64encode(f"{animal.username}:{animal.password}".encode()).decode()
    return f"Proxy-Authorization: Basic {pair}" in lines


def forwarding(*added: str, change: Callable[[bytes], bytes] = lambda answer: answer) -> Handler:
    async def handle(
        animal: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(change(await forward(animal, reader, *added)))
        await writer.drain()

    return handle


def alter(answer: bytes) -> bytes:
    """Add a script to HTML, and nothing to JSON; the length is put right."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"text/html" not in head:
        return answer
    body = body.replace(b"</body>", ADDED + b"</body>")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])


def halve(answer: bytes) -> bytes:
    return answer[: -len(answer) // 4]


async def stale(animal: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request with what the first one got."""
    if not animal.remembered:
        answer = await forward(animal, reader)
        animal.remembered = re.sub(rb'("nonce": ")[0-9a-f]', rb"\1z", answer)
    writer.write(animal.remembered)
    await writer.drain()


# Those that make tunnels.


async def connect(
    animal: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    method, target, _ = first.split(" ")
    if method != "CONNECT":
        writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
        return
    if not lets_in(animal, lines):
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return
    host, _, port = target.rpartition(":")
    await relay(
        animal, (host, int(port)), reader, writer, b"HTTP/1.1 200 Connection established\r\n\r\n"
    )


async def socks4(
    animal: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    version, command, port, address = struct.unpack("!BBH4s", await reader.readexactly(8))
    assert (version, command) == (4, 1)
    await reader.readuntil(b"\0")
    host = str(ipaddress.IPv4Address(address))
    await relay(animal, (host, port), reader, writer, b"\0\x5a" + bytes(6))


async def socks5(
    animal: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    version, count = await reader.readexactly(2)
    assert version == 5
    offered = await reader.readexactly(count)
    if animal.username:
        if 2 not in offered:
            writer.write(b"\x05\xff")
            return
        writer.write(b"\x05\x02")
        username = await socks5_word(reader, skip=1)
        password = await socks5_word(reader)
        wrong = (username, password) != (animal.username, animal.password)
        writer.write(b"\x01\x01" if wrong else b"\x01\x00")
        if wrong:
            return
    else:
        writer.write(b"\x05\x00")
    *_, kind = await reader.readexactly(4)
    if kind == 1:
        host = str(ipaddress.IPv4Address(await reader.readexactly(4)))
    else:
        host = await socks5_word(reader)
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    await relay(animal, (host, port), reader, writer, b"\x05\0\0\x01" + bytes(6))


async def socks5_word(reader: asyncio.StreamReader, skip: int = 0) -> str:
    await reader.readexactly(skip)
    (size,) = await reader.readexactly(1)
    return (await reader.readexactly(size)).decode()


async def relay(
    animal: Animal,
    target: tuple[str, int],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    granted: bytes,
) -> None:
    await asyncio.sleep(animal.delay)
    up_reader, up_writer = await animal.upstream(*target)
    writer.write(granted)
    try:
        await asyncio.gather(pipe(reader, up_writer), pipe(up_reader, writer))
    finally:
        up_writer.close()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()


# Those that only pretend.


def saying(answer: bytes) -> Handler:
    async def handle(_: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return handle


async def hanging(_: Animal, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    while await reader.read(65_536):
        pass


async def trickling(_: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    with contextlib.suppress(OSError):
        for _number in range(5000):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)


async def bombing(_: Animal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    with contextlib.suppress(OSError):
        for _number in range(10_000):
            writer.write(bytes(65_536))
            await writer.drain()


#: kind -> (scheme in a list, what it does, whether it leaves from an address of its own)
KINDS: dict[str, tuple[str, Handler, bool]] = {
    "http": ("http", forwarding(), True),
    "connect": ("https", connect, True),
    "socks4": ("socks4", socks4, True),
    "socks5": ("socks5", socks5, True),
    "anonymous": ("http", forwarding("Via: 1.1 zoo"), True),
    "forwarded": ("http", forwarding("X-Forwarded-For: 127.0.0.1"), True),
    "transparent": ("http", forwarding(), False),
    "altering": ("http", forwarding(change=alter), True),
    "half": ("http", forwarding(change=halve), True),
    "stale": ("http", stale, True),
    "garbage": ("http", saying(b"220 smtp.example.org ESMTP\r\n\r\n"), True),
    "forbidding": ("http", saying(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"), True),
    "captive": ("http", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin"), True),
    "hanging": ("http", hanging, True),
    "trickling": ("http", trickling, True),
    "bombing": ("http", bombing, True),
}
