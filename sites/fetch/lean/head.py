"""The head of an answer (RFC 9112): read as leniently as browsers do, framed as strictly as it takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from multidict import CIMultiDict

if TYPE_CHECKING:
    from sites.fetch.lean.wire import Wire

#: All heads of an answer together, those that only announce it too, in bytes.
LARGEST_HEAD = 65_536
MOST_FIELDS = 256

#: A line may end without CR (RFC 9112, 2.2).
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"HTTP/1\.([0-9]) +([0-9]{3})(?: .*)?")
_LINE_END = re.compile(r"\r?\n")
_DIGITS = re.compile(r"[0-9]{1,18}")
#: What announces an answer; to what we ask for nobody may change the protocol.
_FIRST_FINAL, _SWITCHING = 200, 101
_BODILESS = frozenset({204, 304})


class BadHead(Exception):
    """What came is no head of an answer."""


class Silence(Exception):
    """The connection ended before anything came, or before the head was whole."""


class Head(NamedTuple):
    """What is said before a body.

    `length` in bytes, None for none that is told; then `chunked` tells the end, or the connection does.
    `keep`: another answer may follow on this connection.
    """

    status: int
    headers: CIMultiDict[str]
    length: int | None
    chunked: bool
    keep: bool


async def read_head(wire: Wire) -> Head:
    """Hear the head of an answer, past those that only announce it.

    Raises:
        BadHead: it is none, or too long.
        Silence: the connection ends before; with nothing said, `str` of it is empty.
        ConnectionError: it was broken off.
    """
    room = LARGEST_HEAD
    while True:
        found = await _whole(wire, room)
        head = _read(bytes(memoryview(wire.buffer)[: found.start()]))
        size = found.end()
        del found  # it holds the buffer
        del wire.buffer[:size]
        if head.status >= _FIRST_FINAL:
            return head
        if head.status == _SWITCHING:
            raise BadHead("a change of the protocol that nobody asked for")
        room -= size


async def _whole(wire: Wire, room: int) -> re.Match[bytes]:
    buffer = wire.buffer
    while (found := _END.search(buffer, 0, room)) is None:
        if len(buffer) >= room:
            raise BadHead(f"a head of more than {LARGEST_HEAD // 1024} KiB")
        if len(buffer) > len(b"HTTP/") and not buffer.startswith(b"HTTP/"):
            raise BadHead("no HTTP")
        if not await wire.more():
            raise Silence("within its head" if buffer else "")
    return found


def _read(block: bytes) -> Head:
    first, *lines = _LINE_END.split(block.decode("utf-8", "surrogateescape"))
    status = _STATUS.fullmatch(first)
    if status is None:
        raise BadHead("no HTTP")
    if len(lines) > MOST_FIELDS:
        raise BadHead(f"more than {MOST_FIELDS} header lines")
    headers = CIMultiDict(_fields(lines))
    chunked, length = _framing(headers)
    code = int(status[2])
    if code in _BODILESS:
        chunked, length = False, 0
    keep = _keeps(headers, status[1]) and (chunked or length is not None)
    return Head(code, headers, length, chunked, keep)


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    """Names and values; what is none of them says nothing."""
    found: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line[:1] in " \t" and found:  # a line that was folded
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
        elif colon:
            found.append((name.rstrip(), value.strip(" \t")))
    return found


def _framing(headers: CIMultiDict[str]) -> tuple[bool, int | None]:
    """Tell whether chunks come, or how many bytes."""
    coding = headers.get("Transfer-Encoding", "").lower()
    if coding not in ("", "identity"):
        if coding != "chunked" or len(headers.getall("Transfer-Encoding")) > 1:
            raise BadHead("a Transfer-Encoding that nobody asked for")
        return True, None
    told = {
        part.strip() for text in headers.getall("Content-Length", ()) for part in text.split(",")
    }
    if not told:
        return False, None
    if len(told) > 1 or not _DIGITS.fullmatch(length := told.pop()):
        raise BadHead("a Content-Length that is none")
    return False, int(length)


def _keeps(headers: CIMultiDict[str], minor: str) -> bool:
    if "Transfer-Encoding" in headers and "Content-Length" in headers:
        return False  # the chunks count, and nobody knows what else is on that connection
    words = headers.get("Connection", "").lower()
    return "keep-alive" in words if minor == "0" else "close" not in words
