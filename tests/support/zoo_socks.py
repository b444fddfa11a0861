"""Animals that speak SOCKS, and some that only pretend to."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable

from tests.support.zoo_animal import Animal, Handler, Reader, Writer, answer, relay, until_gone
from tests.support.zoo_http import ADDED

SOCKS4_YES = b"\0\x5a" + bytes(6)
SOCKS4_NO = b"\0\x5b" + bytes(6)
SOCKS5_YES = b"\x05\0\0\x01" + bytes(6)
#: Success, with the name that it says it is bound to: whoever reads a fixed length goes wrong.
SOCKS5_YES_NAMED = b"\x05\0\0\x03\x0bzoo.example" + bytes(2)

#: What is done once the client has named its target: host, port, both ends and the word for yes.
After = Callable[[Animal, str, int, tuple[Reader, Writer], bytes], object]


def socks4(*, names_only: bool = False) -> Handler:
    async def handle(animal: Animal, reader: Reader, writer: Writer) -> None:
        version, command, port, address = struct.unpack("!BBH4s", await reader.readexactly(8))
        assert (version, command) == (4, 1)
        user = (await reader.readuntil(b"\0"))[:-1].decode()
        host = str(ipaddress.IPv4Address(address))
        named = address[:3] == bytes(3) and address[3]
        if named:
            host = (await reader.readuntil(b"\0"))[:-1].decode()
        if user != animal.username or (names_only and not named):
            writer.write(SOCKS4_NO)
        else:
            await relay(animal, host, port, (reader, writer), SOCKS4_YES)

    return handle


async def asked5(animal: Animal, reader: Reader, writer: Writer) -> tuple[str, int] | None:
    """The target that a client names; None when it is not let in."""
    version, count = await reader.readexactly(2)
    assert version == 5
    offered = await reader.readexactly(count)
    if animal.username and not await _let_in(animal, offered, reader, writer):
        return None
    if not animal.username:
        writer.write(b"\x05\x00")
    *_, kind = await reader.readexactly(4)
    if kind == 1:
        host = str(ipaddress.IPv4Address(await reader.readexactly(4)))
    else:
        host = await _word(reader)
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    return host, port


async def _let_in(animal: Animal, offered: bytes, reader: Reader, writer: Writer) -> bool:
    if 2 not in offered:
        writer.write(b"\x05\xff")
        return False
    writer.write(b"\x05\x02")
    username, password = await _word(reader, skip=1), await _word(reader)
    right = (username, password) == (animal.username, animal.password)
    writer.write(b"\x01\x00" if right else b"\x01\x01")
    return right


async def _word(reader: Reader, skip: int = 0) -> str:
    await reader.readexactly(skip)
    (size,) = await reader.readexactly(1)
    return (await reader.readexactly(size)).decode()


def socks5(granted: bytes = SOCKS5_YES) -> Handler:
    async def handle(animal: Animal, reader: Reader, writer: Writer) -> None:
        if target := await asked5(animal, reader, writer):
            await relay(animal, *target, (reader, writer), granted)

    return handle


def socks5_refusing(code: int) -> Handler:
    async def handle(animal: Animal, reader: Reader, writer: Writer) -> None:
        if await asked5(animal, reader, writer):
            writer.write(bytes([5, code, 0, 1]) + bytes(6))

    return handle


async def socks5_lying(animal: Animal, reader: Reader, writer: Writer) -> None:
    """Say yes, and answer whatever comes with a page."""
    if await asked5(animal, reader, writer):
        writer.write(SOCKS5_YES)
        await reader.read(65_536)
        writer.write(answer("200 OK", b"<html>welcome</html>"))


async def socks5_silent(animal: Animal, reader: Reader, writer: Writer) -> None:
    """Say yes, and nothing more."""
    if await asked5(animal, reader, writer):
        writer.write(SOCKS5_YES)
        await until_gone(reader)


async def socks5_altering(animal: Animal, reader: Reader, writer: Writer) -> None:
    """Carry all of it, but put something into HTML that is not private, of the same length."""
    target = await asked5(animal, reader, writer)
    if not target:
        return
    up_reader, up_writer = await animal.upstream(*target)
    writer.write(SOCKS5_YES)
    up_writer.write(await reader.read(65_536))
    while piece := await up_reader.read(65_536):
        writer.write(piece.replace(b"<p>It has a head, a body", ADDED))
    up_writer.close()
