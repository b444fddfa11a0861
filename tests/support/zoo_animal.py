"""What every animal of the zoo has: an address to leave from, whom it lets in, a way to the judge."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@dataclass
class World:
    """What all share: the port of the HTTPS judge, and what rogues show in place of its certificate."""

    judge_tls_port: int = 0
    rogue: ssl.SSLContext | None = None
    misnamed: ssl.SSLContext | None = None


@dataclass
class Animal:
    """What a kind may look at."""

    leave_from: str = ""
    username: str = ""
    password: str = ""
    delay: float = 0.0
    connections: int = 0
    remembered: bytes = b""
    world: World = field(default_factory=World)

    async def upstream(
        self, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> tuple[Reader, Writer]:
        source = (self.leave_from, 0) if self.leave_from else None
        return await asyncio.open_connection(host, port, local_addr=source, ssl=tls)

    def lets_in(self, request: Request) -> bool:
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return not self.username or f"Proxy-Authorization: Basic {pair}" in request.lines


@dataclass(frozen=True)
class Request:
    """The head of what a client asks for."""

    method: str
    target: str
    lines: tuple[str, ...]

    @classmethod
    async def read(cls, reader: Reader) -> Self:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        return cls(method, target, tuple(lines))


Handler = Callable[[Animal, Reader, Writer], Awaitable[None]]
#: What is done with a request that is not a CONNECT, and with one.
Plain = Callable[[Animal, Request, Writer], Awaitable[None]]
Tunnel = Callable[[Animal, Request, Reader, Writer], Awaitable[None]]


def answer(status: str, body: bytes = b"", *more: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *more, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


WANTS_CREDENTIALS = answer(
    "407 Proxy Authentication Required", b"", 'Proxy-Authenticate: Basic realm="zoo"'
)


async def fetched(animal: Animal, request: Request, *added: str) -> bytes:
    """Send one request on, with more headers, and return the whole answer of the judge."""
    url = urlsplit(request.target)
    assert url.scheme == "http", "an absolute URL is expected"
    assert url.hostname
    await asyncio.sleep(animal.delay)
    kept = [line for line in request.lines if not line.lower().startswith("proxy-")]
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    reader, writer = await animal.upstream(url.hostname, url.port or 80)
    head = "\r\n".join([f"{request.method} {path} HTTP/1.1", *kept, *added, "", ""])
    writer.write(head.encode("latin-1"))
    try:
        return await reader.read()
    finally:
        writer.close()


async def relay(
    animal: Animal, host: str, port: int, ends: tuple[Reader, Writer], granted: bytes
) -> None:
    """Say that the tunnel is there, and be it."""
    await asyncio.sleep(animal.delay)
    reader, writer = ends
    up_reader, up_writer = await animal.upstream(host, port)
    writer.write(granted)
    try:
        await both_ways((reader, writer), (up_reader, up_writer))
    finally:
        up_writer.close()


async def both_ways(one: tuple[Reader, Writer], other: tuple[Reader, Writer]) -> None:
    await asyncio.gather(pipe(one[0], other[1]), pipe(other[0], one[1]))


async def pipe(reader: Reader, writer: Writer) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def until_gone(reader: Reader) -> None:
    """Say nothing, whatever comes."""
    while await reader.read(65_536):
        pass
