"""One connection, read by one task at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from proxies.check.line import TooMuch

if TYPE_CHECKING:
    import ssl

#: More than this is not read ahead of whoever reads, in bytes.
HIGH = 65_536


class Wire(asyncio.Protocol):
    """What has come is in `buffer`; whoever reads takes it from there, and waits for `more`."""

    __slots__ = (
        "_held",
        "_loop",
        "_waiter",
        "buffer",
        "eof",
        "gone",
        "made_at",
        "transport",
        "uses",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self._held = False
        self.transport: asyncio.Transport
        self.buffer = bytearray()
        self.eof = False
        #: Why it ended otherwise than by a word of the other side.
        self.gone: Exception | None = None
        self.made_at = loop.time()
        #: How many requests it was used for before this one.
        self.uses = 0

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of another class

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        self.buffer += data
        if len(self.buffer) > HIGH and not self._held:
            self._held = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The other side has said all: the connection is closed, then."""
        self.eof = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        if not self.eof:
            self.gone = exc or ConnectionResetError("the connection is closed")
        self._wake()

    # What its reader and writer call; `exactly`, `until` and `send` as `proxies.check.dial` wants them.

    @property
    def usable(self) -> bool:
        """Whether another request may be made: it is there, and nobody has said anything meanwhile."""
        return not (self.eof or self.gone or self.buffer or self.transport.is_closing())

    async def more(self) -> bool:
        """Wait until more has come; False when nothing more will.

        Raises:
            ConnectionError: it was broken off.
        """
        size = len(self.buffer)
        if self._held:
            self._held = False
            self.transport.resume_reading()
        while len(self.buffer) == size:
            if self.eof:
                return False
            if self.gone:
                raise ConnectionResetError(str(self.gone)) from self.gone
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return True

    def take(self, size: int) -> bytes:
        """Take so many bytes off the buffer, or all there is."""
        if size >= len(self.buffer):
            taken = bytes(self.buffer)
            self.buffer.clear()
            return taken
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    async def send(self, data: bytes) -> None:
        """Say all of it: so little that nobody has to wait for it."""
        self.transport.write(data)

    async def exactly(self, size: int) -> bytes:
        """Hear so many bytes.

        Raises:
            EOFError: the other side says no more.
            ConnectionError: as `more`.
        """
        while len(self.buffer) < size:
            if not await self.more():
                raise EOFError
        return self.take(size)

    async def until(self, end: bytes, most: int) -> bytes:
        """Hear everything up to `end`, and `end`.

        Raises:
            TooMuch: it does not come within `most` bytes.
            EOFError, ConnectionError: as `exactly`.
        """
        while not 0 <= (place := self.buffer.find(end)) <= most:
            if len(self.buffer) > most:
                raise TooMuch(f"more than {most // 1024} KiB")
            if not await self.more():
                raise EOFError
        return self.take(place + len(end))

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go on with TLS, with somebody whose certificate is for `name`.

        Raises:
            ssl.SSLError: it does not come about, or the certificate is wrong.
            ConnectionError: the other side hangs up.
        """
        secured = await self._loop.start_tls(self.transport, self, context, server_hostname=name)
        self.transport = cast("asyncio.Transport", secured)

    def close(self) -> None:
        """Hang up at once; nobody waits for what is still to be said."""
        self.transport.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
