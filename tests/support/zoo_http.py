"""Animals that speak HTTP: honest ones, those that tell about us, and those that change what they carry."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import re
import ssl
from collections.abc import Callable

from tests.support.zoo_animal import (
    WANTS_CREDENTIALS,
    Animal,
    Handler,
    Plain,
    Reader,
    Request,
    Tunnel,
    Writer,
    answer,
    both_ways,
    fetched,
    relay,
    until_gone,
)

Change = Callable[[bytes], bytes]

GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
SECOND = 2
ADDED = b"<script>added()</script>"


def honest(given: bytes) -> bytes:
    return given


def forwarding(*added: str, change: Change = honest) -> Plain:
    async def plain(animal: Animal, request: Request, writer: Writer) -> None:
        writer.write(change(await fetched(animal, request, *added)))
        await writer.drain()

    return plain


def refusing(status: str, body: bytes = b"", *more: str) -> Plain:
    async def plain(_: Animal, __: Request, writer: Writer) -> None:
        writer.write(answer(status, body, *more))

    return plain


def granting(granted: bytes) -> Tunnel:
    async def tunnel(animal: Animal, request: Request, reader: Reader, writer: Writer) -> None:
        host, _, port = request.target.rpartition(":")
        await relay(animal, host.strip("[]"), int(port), (reader, writer), granted)

    return tunnel


connecting = granting(GRANTED)


async def no_connect(_: Animal, __: Request, ___: Reader, writer: Writer) -> None:
    writer.write(answer("405 Method Not Allowed"))


async def only_to_tls(animal: Animal, request: Request, reader: Reader, writer: Writer) -> None:
    """Let through what looks like TLS, by its port, as most public ones do."""
    if request.target.endswith(f":{animal.world.judge_tls_port}"):
        await connecting(animal, request, reader, writer)
    else:
        writer.write(answer("403 Forbidden"))


async def lying_connect(_: Animal, __: Request, reader: Reader, writer: Writer) -> None:
    """Say yes, and answer whatever comes with a page."""
    writer.write(GRANTED)
    await reader.read(65_536)
    writer.write(answer("200 OK", b"<html>welcome</html>"))


async def silent_connect(_: Animal, __: Request, reader: Reader, ___: Writer) -> None:
    await until_gone(reader)


def between(certificate: Callable[[Animal], ssl.SSLContext | None]) -> Tunnel:
    """Read what should be private: with a certificate of their own."""

    async def tunnel(animal: Animal, request: Request, reader: Reader, writer: Writer) -> None:
        host, _, port = request.target.rpartition(":")
        writer.write(GRANTED)
        context = certificate(animal)
        assert context
        await writer.start_tls(context)
        trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        up_reader, up_writer = await animal.upstream(host, int(port), trusting)
        try:
            await both_ways((reader, writer), (up_reader, up_writer))
        finally:
            up_writer.close()

    return tunnel


async def refusing_half(_: Animal, __: Request, writer: Writer) -> None:
    """Refuse, and never come to the end of what there is to say about it."""
    writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 90\r\n\r\n<html>")
    await asyncio.sleep(60)


def http(plain: Plain | None = None, tunnel: Tunnel = connecting) -> Handler:
    """A proxy as `plain` and `tunnel` say; honest where nothing is said."""
    given = plain or forwarding()

    async def handle(animal: Animal, reader: Reader, writer: Writer) -> None:
        request = await Request.read(reader)
        if not animal.lets_in(request):
            writer.write(WANTS_CREDENTIALS)
        elif request.method == "CONNECT":
            await tunnel(animal, request, reader, writer)
        else:
            await given(animal, request, writer)

    return handle


# What may be done to an answer.


def parts(given: bytes) -> tuple[list[bytes], bytes]:
    """The lines of the head without the length, and the body."""
    head, _, body = given.partition(b"\r\n\r\n")
    kept = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return kept, body


def put_together(lines: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join([*lines, b"", body])


def altered(given: bytes) -> bytes:
    """With a script in HTML, and nothing in JSON; the length is put right."""
    lines, body = parts(given)
    if b"text/html" not in b"".join(lines):
        return given
    body = body.replace(b"</body>", ADDED + b"</body>")
    return put_together([*lines, b"Content-Length: %d" % len(body)], body)


def halved(given: bytes) -> bytes:
    return given[: -len(given) // 4]


def chunked(given: bytes) -> bytes:
    lines, body = parts(given)
    pieces = [body[begin : begin + 100] for begin in range(0, len(body), 100)]
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return put_together([*lines, b"Transfer-Encoding: chunked"], framed + b"0\r\n\r\n")


def half_chunked(given: bytes) -> bytes:
    return chunked(given).removesuffix(b"0\r\n\r\n")


def to_the_end(given: bytes) -> bytes:
    """As HTTP/1.0 says it: the end of the connection is the end of the answer."""
    lines, body = parts(given)
    return put_together([b"HTTP/1.0 200 OK", *lines[1:]], body)


def bare(given: bytes) -> bytes:
    """Lines without CR, one that goes on in the next, the length said twice."""
    lines, body = parts(given)
    length = b"Content-Length: %d" % len(body)
    head, _, _ = put_together([*lines, b"X-Long: a", b"\tb", length, length], b"").rpartition(
        b"\r\n"
    )
    return head.replace(b"\r\n", b"\n") + b"\n" + body


def two_lengths(given: bytes) -> bytes:
    return given.replace(b"Content-Length", b"Content-Length: 90000\r\nContent-Length", 1)


def after_continue(given: bytes) -> bytes:
    return b"HTTP/1.1 100 Continue\r\n\r\n" + given


@functools.cache
def bomb() -> bytes:
    """What unpacked would be 20 MB."""
    return gzip.compress(bytes(20_000_000))


def packed(given: bytes) -> bytes:
    lines, body = parts(given)
    body = gzip.compress(body)
    told = [b"Content-Encoding: gzip", b"Content-Length: %d" % len(body)]
    return put_together([*lines, *told], body)


def not_packed(given: bytes) -> bytes:
    return given.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)


def zipped(_: bytes) -> bytes:
    return answer("200 OK", bomb(), "Content-Type: application/json", "Content-Encoding: gzip")


async def stale(animal: Animal, request: Request, writer: Writer) -> None:
    """Answer every request with what the first one got."""
    if not animal.remembered:
        given = await fetched(animal, request)
        animal.remembered = re.sub(rb'("nonce": ")[0-9a-f]', rb"\1z", given)
    writer.write(animal.remembered)


async def meeting(animal: Animal, request: Request, writer: Writer) -> None:
    """Answer, but the second request only once there is a third one."""
    while animal.connections == SECOND:  # noqa: ASYNC110 (each connection may come first)
        await asyncio.sleep(0.01)
    writer.write(await fetched(animal, request))


async def in_pieces(animal: Animal, request: Request, writer: Writer) -> None:
    """Answer truly, a few bytes at a time."""
    given = await fetched(animal, request)
    for begin in range(0, len(given), 50):
        writer.write(given[begin : begin + 50])
        await asyncio.sleep(0.002)


async def keeping(animal: Animal, request: Request, writer: Writer) -> None:
    """Answer truly, and keep the connection for more."""
    writer.write(await fetched(animal, request))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 60)
