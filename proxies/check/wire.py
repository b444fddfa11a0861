"""One HTTP/1.1 GET over a line, its answer read strictly and never beyond a cap."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from proxies.check.dial import LARGEST_HEAD, Target, credentials, head_of
from proxies.check.line import HungUp, LineError, TooMuch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxies.check.line import Line
    from proxies.model import Proxy

#: An answer may not be larger, in bytes.
LARGEST_BODY = 65_536
#: Of a page that may be of any size so much is read, in bytes.
LARGEST_START = 32_768
#: Smaller pieces of a body count as one of so many bytes: each is work.
_SMALLEST_CHUNK = 64

_DIGITS = re.compile(rb"[0-9A-Fa-f]{1,16}")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OK = 200
#: As `zlib` says it: gzip or deflate, whichever it is.
_EITHER = zlib.MAX_WBITS + 32
_AGENT = (
    " HTTP/1.1\r\nHost: {authority}\r\n"
    "User-Agent: Mozilla/5.0 (compatible; orch)\r\n"
    "Accept: */*\r\nAccept-Encoding: identity\r\nConnection: close\r\n"
)


class Response(NamedTuple):
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """What is asked for: an http(s) URL, of which all that never changes is written once."""

    secure: bool
    target: Target
    origin: str
    path: str
    headers: str

    @classmethod
    def of(cls, url: str) -> Page:
        """Read the URL."""
        parts = urlsplit(url)
        authority = parts.netloc.rpartition("@")[2]
        return cls(
            parts.scheme == "https",
            Target(parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]),
            f"{parts.scheme}://{authority}",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            _AGENT.format(authority=authority),
        )

    @property
    def url(self) -> str:
        """All of it."""
        return f"{self.origin}{self.path}"

    def beside(self, path: str) -> Page:
        """Another page of the same server."""
        return Page(self.secure, self.target, self.origin, path, self.headers)

    def request(self, nonce: str = "", via: Proxy | None = None) -> bytes:
        """Write a GET, with a nonce in its query if there is one.

        With `via`, in the absolute form and with the credentials that a proxy wants.
        """
        path = self.path
        if nonce:
            path += f"{'&' if '?' in path else '?'}nonce={nonce}"
        start = f"GET {self.origin}{path}" if via else f"GET {path}"
        rest = f"{self.headers}{credentials(via) if via else ''}\r\n"
        return (start + rest).encode("latin-1", "replace")


async def read(line: Line) -> Response:
    """Read one answer to its promised end; of one that is not OK only the head.

    Raises:
        LineError: it is garbage, too large, or shorter than it promised.
    """
    began = line.heard - len(line.buffer)
    try:
        status, headers = await _head(line)
        if status != _OK:
            return Response(status, headers, b"")
        return Response(status, headers, _plain(await _body(line, headers), headers))
    except EOFError:
        if line.heard == began:
            raise HungUp from None
        raise LineError("half an answer") from None


async def read_start(line: Line) -> Response:
    """Read one answer, but of its body only what comes within `LARGEST_START`, as it comes.

    Raises:
        LineError: it is garbage, or its head is too large.
    """
    try:
        status, headers = await _head(line)
    except EOFError:
        raise HungUp from None
    most, body = LARGEST_START, bytearray()
    if (promised := _promised(headers)) is not None:
        most = min(most, promised)
    while len(body) < most and (piece := await line.some()):
        body += piece
    return Response(status, headers, bytes(body[:most]))


async def _head(line: Line) -> tuple[int, dict[str, str]]:
    status, lines = await head_of(line)
    headers: dict[str, str] = {}
    name = ""
    for raw in lines:
        text = raw.decode("latin-1")
        if name and text[0] in " \t":  # it goes on with the line before
            headers[name] += f" {text.strip()}"
            continue
        name, colon, value = text.partition(":")
        if not colon:
            raise LineError("not HTTP")
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return status, headers


async def _body(line: Line, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunked(line)
    size = _promised(headers)
    if size is None:
        return await _to_the_end(line)
    _require_small(size)
    return await line.exactly(size)


def _promised(headers: Mapping[str, str]) -> int | None:
    """How long it says that it is, however often."""
    told = headers.get("content-length")
    if told is None:
        return None
    first, *others = {word.strip() for word in told.split(",")}
    if others:
        raise LineError("not HTTP")
    return _number(first.encode(), 10)


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Unpack what nobody wanted to have packed, as every client does."""
    coding = headers.get("content-encoding", "").lower()
    if coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise LineError("an unknown encoding")
    unpacking = zlib.decompressobj(_EITHER)
    try:
        plain = unpacking.decompress(body, LARGEST_BODY + 1)
    except zlib.error:
        raise LineError("an unknown encoding") from None
    _require_small(len(plain))
    if not unpacking.eof:
        raise LineError("half an answer")
    return plain


async def _to_the_end(line: Line) -> bytes:
    body = bytearray()
    while piece := await line.some():
        body += piece
        _require_small(len(body))
    return bytes(body)


async def _chunked(line: Line) -> bytes:
    body, counted = bytearray(), 0
    while True:
        head = await line.until(b"\r\n", LARGEST_HEAD)
        size = _number(head.partition(b";")[0].strip(), 16)
        if size == 0:
            await line.until(b"\r\n", LARGEST_HEAD)
            return bytes(body)
        counted += max(size, _SMALLEST_CHUNK)
        _require_small(counted)
        body += await line.exactly(size)
        await line.exactly(2)


def _number(text: bytes, base: int) -> int:
    if not _DIGITS.fullmatch(text):
        raise LineError("not HTTP")
    try:
        return int(text, base)
    except ValueError:
        raise LineError("not HTTP") from None


def _require_small(size: int) -> None:
    if size > LARGEST_BODY:
        raise TooMuch(f"an answer of more than {LARGEST_BODY // 1024} KiB")
