"""Animals that are no proxies, and say or do what they can to be taken for one or to cost us something."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import Iterable

from tests.support.zoo_animal import Animal, Handler, Reader, Writer, until_gone

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def saying(given: bytes) -> Handler:
    """Wait for a request, and say always the same."""

    async def handle(_: Animal, reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(given)
        await writer.drain()

    return handle


def hurrying(given: bytes) -> Handler:
    """Say it before anything is asked."""

    async def handle(_: Animal, reader: Reader, writer: Writer) -> None:
        writer.write(given)
        await until_gone(reader)

    return handle


def pouring(first: bytes, pieces: Iterable[bytes], pause: float = 0.0) -> Handler:
    """Begin an answer, and never end it."""

    async def handle(_: Animal, reader: Reader, writer: Writer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await asyncio.wait_for(reader.read(1), 1)
        writer.write(first)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return handle


#: Enough for any timeout, and no more than 6 GB.
_MANY = 100_000
bombing = pouring(HEAD + b"\r\n{", itertools.repeat(bytes(65_536), _MANY))
trickling = pouring(HEAD + b"Content-Length: 5000\r\n\r\n{", itertools.repeat(b" ", _MANY), 0.02)
endless_headers = pouring(HEAD, itertools.repeat(b"X-More: " + b"x" * 4000 + b"\r\n", _MANY))
endless_line = pouring(HEAD + b"X-Long: ", itertools.repeat(b"x" * 65_536, _MANY))
slow_headers = pouring(HEAD, itertools.repeat(b"x", _MANY), 0.02)
endless_chunks = pouring(
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    itertools.repeat(b"1000\r\n" + bytes(4096) + b"\r\n", _MANY),
)
#: Nearly as much as may be said, and then nothing: what is kept of it is what it costs us.
swelling = pouring(HEAD + b"Content-Length: 65000\r\n\r\n{", [b" " * 60_000, *[b" "] * _MANY], 0.2)


async def hanging(_: Animal, reader: Reader, __: Writer) -> None:
    await until_gone(reader)


async def closing(_: Animal, __: Reader, ___: Writer) -> None:
    """Hang up at once."""


async def resetting(_: Animal, reader: Reader, writer: Writer) -> None:
    """Hang up after the request, without any manners."""
    await reader.read(1)
    reset(writer)


def one_at_a_time(honest: Handler) -> Handler:
    """Hang up on whoever comes while somebody else is served."""
    served: set[int] = set()

    async def handle(animal: Animal, reader: Reader, writer: Writer) -> None:
        if id(animal) in served:
            return
        served.add(id(animal))
        try:
            await honest(animal, reader, writer)
        finally:
            served.discard(id(animal))

    return handle


def reset(writer: Writer) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def flapping(honest: Handler, served: int = 1) -> Handler:
    """Serve every other connection, the first or the second one well."""

    async def handle(animal: Animal, reader: Reader, writer: Writer) -> None:
        if animal.connections % 2 == served % 2:
            await honest(animal, reader, writer)
        else:
            await resetting(animal, reader, writer)

    return handle
