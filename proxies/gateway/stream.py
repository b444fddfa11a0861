"""One TCP connection: read by one task, or poured into another connection.

An asyncio protocol with as little as it takes: what comes is in `buffer`, at most about `HIGH` bytes of
it, and whoever reads waits for more of it. Deadlines are looked at for all connections together, because
a timer for each wait would cost more than the wait.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, cast

from proxies.check.line import TooMuch

if TYPE_CHECKING:
    from collections.abc import Callable

#: More than this is not read ahead, and not kept for a receiver that is slow, in bytes.
HIGH = 65_536
#: A side that neither sends nor takes anything for so long has gone, in seconds.
STALLED_S = 60.0

NEVER = float("inf")
#: Makes a close a reset: a receiver that cannot tell a cut from an end must see one.
_RESET = struct.pack("ii", 1, 0)


class Stream(asyncio.Protocol):
    """One connection, ours to a client or ours to an upstream."""

    __slots__ = (
        "_drained",
        "_held",
        "_left",
        "_loop",
        "_waiter",
        "buffer",
        "choked",
        "deadline",
        "eof",
        "idle",
        "lost",
        "on_eof",
        "on_lost",
        "sink",
        "source",
        "streams",
        "transport",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, streams: set[Stream]) -> None:
        self._loop = loop
        self.streams = streams
        self.transport: asyncio.Transport
        self.buffer = bytearray()
        self.eof = False
        #: Whether it is only kept: whatever happens to such a one ends it.
        self.idle = False
        self.lost: Exception | None = None
        #: When whoever waits here has waited for long enough, by the loop's clock.
        self.deadline = NEVER
        #: Takes what comes in the place of `buffer`.
        self.sink: Callable[[bytes], None] | None = None
        #: Where the bytes come from that are written here: it is held up while the receiver is slow.
        self.source: Stream | None = None
        self.choked = False
        self.on_eof: Callable[[], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        self._held = False
        self._left = 0
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are of another class
        self.transport.set_write_buffer_limits(HIGH)
        self.streams.add(self)

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self.sink is not None:
            self.sink(data)
            return
        self.buffer += data
        if len(self.buffer) > HIGH:
            self.hold()
        if self.idle:
            self.transport.abort()
        self.wake()

    def eof_received(self) -> bool:
        """The other side sends no more; it may still read."""
        self.eof = True
        if self.on_eof is not None:
            self.on_eof()
        self.wake()
        return not self.idle

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        self.lost = exc or ConnectionResetError("the connection is closed")
        self.streams.discard(self)
        self.deadline = NEVER
        self.wake()
        self._let_go()
        if self.on_lost is not None:
            self.on_lost()

    def pause_writing(self) -> None:
        """The receiver is slow: whatever feeds it must wait."""
        self.choked = True
        if self.source is not None:
            self.source.hold()

    def resume_writing(self) -> None:
        """The receiver has caught up."""
        self.choked = False
        if self.source is not None:
            self.source.go_on()
        self._let_go()

    # What its reader and writer call.

    async def more(self) -> bool:
        """Wait until more has come; False when nothing more will.

        Raises:
            TimeoutError: `deadline` passed.
            ConnectionError: it was lost.
        """
        if self.lost is not None:
            raise _lost(self.lost)
        if self.eof:
            return False
        size = len(self.buffer)
        self.go_on()
        while len(self.buffer) == size and not self.eof:
            await self.wait()
        return len(self.buffer) > size

    # What is said and heard before a tunnel stands, as `proxies.check.dial` wants it.

    async def send(self, data: bytes) -> None:
        """Say all of it: so short that nobody has to wait for it."""
        self.write(data)

    async def exactly(self, size: int) -> bytes:
        """Hear so many bytes.

        Raises:
            EOFError: the other side sends no more.
            TimeoutError, ConnectionError: as for `more`.
        """
        while len(self.buffer) < size:
            if not await self.more():
                raise EOFError
        return self.take(size)

    async def until(self, end: bytes, most: int) -> bytes:
        """Hear everything up to `end`, and `end`.

        Raises:
            TooMuch: it does not come within `most` bytes.
            EOFError, TimeoutError, ConnectionError: as for `exactly`.
        """
        while not 0 <= (place := self.buffer.find(end)) <= most:
            if len(self.buffer) > most:
                raise TooMuch(f"more than {most // 1024} KiB")
            if not await self.more():
                raise EOFError
        return self.take(place + len(end))

    async def wait(self) -> None:
        """Wait until something happens here, or somebody calls `wake`."""
        if self.lost is not None:
            raise _lost(self.lost)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self.lost is not None and not self.buffer:
            raise _lost(self.lost)

    def wake(self) -> None:
        """Whoever waits looks again."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def expire(self) -> None:
        """The deadline has passed."""
        self.deadline = NEVER
        if self.idle:
            self.abort()
        elif self.closing:
            self._end_of_closing()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_exception(TimeoutError("not in time"))

    def take(self, size: int) -> bytes:
        """Take so many bytes off the buffer."""
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def hold(self) -> None:
        """Read no more for now."""
        if not self._held and not self.transport.is_closing():
            self._held = True
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Read again."""
        if self._held and not self.transport.is_closing():
            self._held = False
            self.transport.resume_reading()

    def write(self, data: bytes | bytearray) -> None:
        """Send; what is sent to a connection that has gone goes nowhere, as its reader finds out."""
        if data and self.lost is None:
            self.transport.write(data)

    async def drained(self) -> None:
        """Wait until a slow receiver has caught up.

        Raises:
            TimeoutError: it has taken nothing for `STALLED_S`.
        """
        while self.choked and self.lost is None:
            unsent = self.unsent
            self._drained = self._loop.create_future()
            try:
                async with asyncio.timeout(STALLED_S):
                    await self._drained
            except TimeoutError:
                if self.unsent >= unsent:
                    raise
            finally:
                self._drained = None

    def finish(self) -> None:
        """Send no more, and go on reading."""
        if self.lost is None and not self.transport.is_closing():
            try:
                self.transport.write_eof()
            except OSError:  # the other side has gone, and the loop does not know yet
                self.transport.abort()

    def close(self) -> None:
        """Send what is still to be sent, as long as any of it is taken, then close."""
        if self.lost is None:
            self._left = self.unsent
            self.deadline = self._loop.time() + STALLED_S
            self.transport.close()

    def _end_of_closing(self) -> None:
        if self.unsent < self._left:
            self._left = self.unsent
            self.deadline = self._loop.time() + STALLED_S
        else:
            self.abort(reset=True)  # what it has is not all

    @property
    def closing(self) -> bool:
        """Whether it is closed, or will be once all is sent."""
        return self.lost is not None or self.transport.is_closing()

    @property
    def unsent(self) -> int:
        """How many bytes the receiver has not taken yet."""
        return 0 if self.lost is not None else self.transport.get_write_buffer_size()

    def abort(self, *, reset: bool = False) -> None:
        """Close at once; with `reset` so that the other side takes it for no good end."""
        if self.lost is None:
            if reset:
                sock = self.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    @property
    def was_reset(self) -> bool:
        """Whether the other side has gone; once it sends no more, the loop looks no longer."""
        sock = self.transport.get_extra_info("socket")
        return self.lost is not None or bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def _let_go(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)


def _lost(error: Exception) -> ConnectionError:
    return error if isinstance(error, ConnectionError) else ConnectionResetError(str(error))
