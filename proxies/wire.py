"""One HTTP/1.1 GET over streams that are there already, read strictly and never beyond a cap."""

from __future__ import annotations

import asyncio
import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

    from proxies.model import Proxy

#: An answer may not be larger, head and body each, in bytes.
LARGEST_BODY = 65_536
LARGEST_HEAD = 32_768

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?")
_DIGITS = re.compile(r"[0-9A-Fa-f]{1,16}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class WireError(Exception):
    """What came back is no whole HTTP answer."""


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def port_of(url: SplitResult) -> int:
    """The port that a URL names or means."""
    return url.port or _DEFAULT_PORTS[url.scheme]


def request(url: SplitResult, via: Proxy | None = None) -> bytes:
    """Write a GET; with `via`, in the absolute form and with the credentials a proxy wants."""
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    authority = url.netloc.rpartition("@")[2]
    lines = [
        f"GET {f'{url.scheme}://{authority}{path}' if via else path} HTTP/1.1",
        f"Host: {authority}",
        "User-Agent: Mozilla/5.0 (compatible; orch)",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    if via and via.username:
        pair = base64.b64encode(f"{via.username}:{via.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {pair}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


async def read(reader: asyncio.StreamReader) -> Response:
    """Read one answer to its promised end.

    Raises:
        WireError: it is garbage, too large, or shorter than it promised.
    """
    try:
        status, headers = _head(await reader.readuntil(b"\r\n\r\n"))
        body = await _body(reader, headers)
    except asyncio.IncompleteReadError as error:
        raise WireError(
            "closed the connection" if not error.partial else "half an answer"
        ) from None
    except asyncio.LimitOverrunError:
        raise WireError("no end of headers") from None
    return Response(status, headers, body)


def _head(raw: bytes) -> tuple[int, dict[str, str]]:
    if len(raw) > LARGEST_HEAD:
        raise WireError("no end of headers")
    first, *lines = raw[:-4].split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if not status:
        raise WireError("not HTTP")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon:
            raise WireError("not HTTP")
        headers[name.strip().lower()] = value.strip()
    return int(status[1]), headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunked(reader)
    promised = headers.get("content-length")
    if promised is None:
        return await _to_the_end(reader)
    size = _number(promised, 10)
    _require_small(size)
    return await reader.readexactly(size)


async def _to_the_end(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while piece := await reader.read(LARGEST_BODY):
        body += piece
        _require_small(len(body))
    return bytes(body)


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        size = await _chunk_size(reader)
        if size == 0:
            await reader.readuntil(b"\r\n")
            return bytes(body)
        _require_small(len(body) + size)
        body += await reader.readexactly(size)
        await reader.readexactly(2)


async def _chunk_size(reader: asyncio.StreamReader) -> int:
    line = await reader.readuntil(b"\r\n")
    return _number(line.decode("latin-1").partition(";")[0].strip(), 16)


def _number(text: str, base: int) -> int:
    if not _DIGITS.fullmatch(text):
        raise WireError("not HTTP")
    try:
        return int(text, base)
    except ValueError:
        raise WireError("not HTTP") from None


def _require_small(size: int) -> None:
    if size > LARGEST_BODY:
        raise WireError(f"an answer of more than {LARGEST_BODY // 1024} KiB")
