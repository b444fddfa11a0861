"""The engine that every site is asked with unless its file wants another one."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from proxies.check.dial import credentials
from proxies.gateway.body import BadBody, Chunked
from sites.fetch.answer import Failed
from sites.fetch.body import ACCEPTED_ENCODINGS
from sites.fetch.exchange import NoAnswer
from sites.fetch.kind import Kind
from sites.fetch.lean.head import BadHead, Head, Silence, read_head
from sites.fetch.lean.pool import Pool
from sites.fetch.lean.way import Way, Ways

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from multidict import CIMultiDict

    from proxies.model import Proxy
    from sites.definition.definition import Definition
    from sites.fetch.exchange import Asked
    from sites.fetch.lean.wire import Wire

#: A connection may take this part of the time that a request has.
CONNECT_PART = 0.8
#: Chunks may need so many times the bytes of what is in them, beyond those of a small body.
_MOST_FRAMING, _FRAMING_FREE = 4, 65_536

_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.5"


class LeanEngine:
    """`Engine` in HTTP/1.1; made in the event loop that it works in."""

    def __init__(self, definition: Definition) -> None:
        limits = definition.limits
        self._ways = Ways(
            _trusting(), limits.timeout * CONNECT_PART, guarded=not definition.allow_private
        )
        self._pool = Pool(asyncio.get_running_loop().time)
        self._standing = (
            f"User-Agent: {definition.agent}\r\nAccept: {_ACCEPT}\r\n"
            f"Accept-Encoding: {ACCEPTED_ENCODINGS}\r\n"
        )

    @asynccontextmanager
    async def exchange(self, asked: Asked, proxy: Proxy | None) -> AsyncIterator[LeanReply]:
        """See `Engine`."""
        way = Way.to(asked.url, proxy)
        wire, head = await self._ask(way, self._words(asked, way))
        reply = LeanReply(wire, head)
        try:
            yield reply
        except BaseException:
            wire.close()
            raise
        if reply.at_its_end():
            self._pool.give(way, wire)
        else:
            wire.close()

    async def close(self) -> None:
        """See `Engine`."""
        self._pool.close()

    async def _ask(self, way: Way, words: bytes) -> tuple[Wire, Head]:
        """Ask over a connection that waits; a new one if there is none, or it was just being closed."""
        wire = self._pool.take(way)
        if wire is not None:
            try:
                return wire, await _heard(wire, words)
            except _ClosedMeanwhile:
                pass
        wire = await self._ways.open(way)
        try:
            return wire, await _heard(wire, words)
        except _ClosedMeanwhile:
            raise NoAnswer(Failed(Kind.CONNECT, "closed without an answer")) from None

    def _words(self, asked: Asked, way: Way) -> bytes:
        parts = urlsplit(asked.url)
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        more = "".join(f"{name}: {value}\r\n" for name, value in asked.lines)
        if way.proxy is not None and not way.host:
            target = f"http://{parts.netloc}{target}"
            more += credentials(way.proxy)
        words = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{self._standing}{more}\r\n"
        return words.encode("latin-1", "replace")


class _ClosedMeanwhile(Exception):
    """Nothing was said: nobody has taken the request."""


async def _heard(wire: Wire, words: bytes) -> Head:
    try:
        wire.transport.write(words)
        return await read_head(wire)
    except BaseException as error:
        said = bool(wire.buffer)
        wire.close()
        if isinstance(error, BadHead):
            detail = "the answer is no HTTP" if str(error) == "no HTTP" else str(error)
            raise NoAnswer(Failed(Kind.PROTOCOL, detail)) from error
        if isinstance(error, Silence | OSError):
            if not said:
                raise _ClosedMeanwhile from error
            raise NoAnswer(Failed(Kind.CONNECT, "closed within its answer")) from error
        raise


class LeanReply:
    """`Reply` over a wire."""

    packed: str

    def __init__(self, wire: Wire, head: Head) -> None:
        self._wire = wire
        self._head = head
        self._left = head.length
        self._framed = Chunked(bytearray()) if head.chunked else None
        self.status = head.status
        self.headers: CIMultiDict[str] = head.headers
        self.packed = head.headers.get("Content-Encoding", "")

    def chunks(self) -> AsyncIterator[bytes]:
        """See `Reply`."""
        return self._chunked(self._framed) if self._framed else self._plain()

    def at_its_end(self) -> bool:
        """Whether another answer may follow, once what is there of this one is dropped."""
        if not self._head.keep:
            return False
        if self._framed is not None:
            return self._framed.done
        if self._left:
            self._left -= len(self._wire.take(self._left))
        return not self._left

    async def _plain(self) -> AsyncIterator[bytes]:
        wire = self._wire
        while self._left is None or self._left:
            if not wire.buffer and not await self._more():
                return
            piece = wire.take(len(wire.buffer) if self._left is None else self._left)
            if self._left is not None:
                self._left -= len(piece)
            yield piece

    async def _chunked(self, framed: Chunked) -> AsyncIterator[bytes]:
        wire, came, held = self._wire, 0, 0
        plain = framed.plain
        assert plain is not None  # noqa: S101  (it was made with one)
        while not framed.done:
            if not wire.buffer:
                await self._more()
            try:
                size = framed.feed(bytes(wire.buffer))
            except BadBody as error:
                raise NoAnswer(Failed(Kind.PROTOCOL, str(error))) from error
            wire.take(size)
            came, held = came + size, held + len(plain)
            if came > _FRAMING_FREE + _MOST_FRAMING * held:
                raise NoAnswer(Failed(Kind.PROTOCOL, "chunks with next to nothing in them"))
            if plain:
                yield bytes(plain)
                plain.clear()

    async def _more(self) -> bool:
        """Wait for more of the body; False at the end of one that ends with its connection."""
        try:
            if await self._wire.more():
                return True
        except OSError as error:
            raise NoAnswer(_short()) from error
        if self._framed is None and self._left is None:
            return False
        raise NoAnswer(_short())


def _short() -> Failed:
    return Failed(Kind.PROTOCOL, "the body is shorter than announced")


@cache
def _trusting() -> ssl.SSLContext:
    """One context a process: it is dear to make."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
