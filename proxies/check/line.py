"""One connection, read and written as if it were the only one, within bounds."""

from __future__ import annotations

import os
import selectors
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Coroutine, Generator

    from proxies.check.lines import Lines

#: What a line may hear without asking, in bytes: more than any true answer to a check.
FREE = 2048
#: What a line may hear at all, in bytes: a head and a body, each as large as they may be, and some more.
MOST = 131_072


class LineError(Exception):
    """What came over a line is not what was asked for."""


class HungUp(LineError):
    """The other side ended the connection before it said anything."""

    def __init__(self) -> None:
        super().__init__("closed the connection")


class TooMuch(LineError):
    """The other side says more than it may."""


class Unreached(Exception):
    """There was no connection; `code` is the error of the system, 0 when there was none in time."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(os.strerror(code).lower() if code else "no answer in time")


class NoSocket(Exception):
    """The system gives us no more of them; later it may."""


class _Wait:
    """Ends when the line is ready for it."""

    __slots__ = ("event",)

    def __init__(self, event: int) -> None:
        self.event = event

    def __await__(self) -> Generator[int, None, None]:
        yield self.event


_READABLE = _Wait(selectors.EVENT_READ)
_WRITABLE = _Wait(selectors.EVENT_WRITE)


class Line:
    """A connection of `Lines`, which alone touches what is not a method."""

    __slots__ = (
        "buffer",
        "course",
        "ended",
        "heard",
        "heard_all",
        "lines",
        "number",
        "open",
        "sock",
        "tick",
        "wanted",
    )

    def __init__(self, sock: socket.socket, lines: Lines, tick: int) -> None:
        self.sock = sock
        self.number = sock.fileno()
        self.lines = lines
        self.tick = tick
        self.open = True
        self.wanted = 0
        self.heard = 0
        self.heard_all = False
        self.buffer = b""
        self.ended: asyncio.Future[Any]
        self.course: Coroutine[Any, Any, Any]

    @property
    def own_address(self) -> str:
        """The address of ours that the other side sees, if nobody is in between."""
        return str(self.sock.getsockname()[0])

    def writable(self) -> _Wait:
        """Wait until something can be said."""
        return _WRITABLE

    async def send(self, data: bytes) -> None:
        """Say all of it."""
        self.heard_all = True
        while data:
            try:
                data = data[self.sock.send(data) :]
                continue
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            await _WRITABLE  # not above: an error that is being handled costs memory for as long

    async def some(self) -> bytes:
        """Hear whatever comes next; nothing at the end of the connection."""
        heard, self.buffer = self.buffer or await self._hear(), b""
        return heard

    async def exactly(self, size: int) -> bytes:
        """Hear so many bytes.

        Raises:
            EOFError: the connection ends before.
        """
        while len(self.buffer) < size:
            self.buffer += await self._hear() or _ended()
        heard, self.buffer = self.buffer[:size], self.buffer[size:]
        return heard

    async def until(self, end: bytes, most: int) -> bytes:
        """Hear everything up to `end`, and `end`.

        Raises:
            EOFError: the connection ends before.
            TooMuch: `end` does not come within `most` bytes.
        """
        while (at := self.buffer.find(end, 0, most)) < 0:
            if len(self.buffer) >= most:
                raise TooMuch("no end of headers")
            self.buffer += await self._hear() or _ended()
        size = at + len(end)
        heard, self.buffer = self.buffer[:size], self.buffer[size:]
        return heard

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go on with TLS, with somebody whose certificate is for `name`.

        Raises:
            LineError: the other side has said something already.
            ssl.SSLError: it does not come about, or the certificate is wrong.
        """
        if self.buffer:
            raise LineError("speaks before it is asked")
        secured = context.wrap_socket(
            self.sock, server_hostname=name, do_handshake_on_connect=False
        )
        self.sock = secured
        while True:
            wait = _READABLE
            try:
                return secured.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLWantWriteError:
                wait = _WRITABLE
            await wait

    def close(self) -> None:
        """Hang up, and give back what was held."""
        self.open = False
        self.sock.close()
        self.buffer = b""
        if self.heard > FREE:
            self.lines.budget += self.heard - FREE
        self.heard = 0

    async def _hear(self) -> bytes:
        desk = self.lines.desk
        while True:
            if self.heard_all:
                await _READABLE
            self.heard_all = False
            try:
                size = self.sock.recv_into(desk)
            except (BlockingIOError, ssl.SSLWantReadError):
                self.heard_all = True
            else:
                self._account(size)
                return desk[:size].tobytes()

    def _account(self, size: int) -> None:
        """Count what is heard: what goes beyond `FREE` all lines share."""
        before, self.heard = self.heard, self.heard + size
        if self.heard <= FREE:
            return
        self.lines.budget -= self.heard - max(before, FREE)
        if self.heard > MOST:
            raise TooMuch("no end of answers")
        if self.lines.budget < 0:
            raise TooMuch("too much at once")


def _ended() -> bytes:
    raise EOFError
