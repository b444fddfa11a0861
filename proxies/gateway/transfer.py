"""Bodies on their way: a request's to the upstream, an answer's to the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies.gateway.body import BadBody, Body, Chunked, Endless
from proxies.gateway.pouring import pour, stop_pouring
from proxies.gateway.stream import HIGH, STALLED_S, Stream

if TYPE_CHECKING:
    import asyncio


class Upload:
    """A request's body; the beginning is kept, so that another upstream can be sent it too."""

    __slots__ = ("_client", "_loop", "_patience", "_upstream", "body", "broken", "kept", "sent")

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Stream, body: Body) -> None:
        self._loop = loop
        self._client = client
        self._upstream: Stream | None = None
        self._patience = 0.0
        self.body = body
        #: Why it can never become whole.
        self.broken = ""
        #: All that was sent; None once that is too much to keep.
        self.kept: bytearray | None = bytearray()
        self.sent = 0

    @property
    def repeatable(self) -> bool:
        """Whether it can be sent again from its beginning."""
        return self.kept is not None

    def into(self, upstream: Stream, patience: float) -> None:
        """Send it there, from its beginning; the rest follows as it comes.

        Once all is sent the upstream has `patience` seconds to answer.
        """
        if self.kept:
            upstream.write(self.kept)
        if self.body.done:
            upstream.deadline = self._loop.time() + patience
            return
        self._upstream = upstream
        self._patience = patience
        upstream.deadline = self._loop.time() + STALLED_S
        self._client.on_eof = self._cut
        pour(self._client, upstream, self.take)
        if self._client.eof:
            self._cut()

    def take(self, data: bytes) -> None:
        """Send what has come from the client."""
        upstream = self._upstream
        assert upstream is not None  # noqa: S101  (`into` set it)
        try:
            size = self.body.feed(data)
        except BadBody as error:
            self._break(f"{error}")
            return
        piece = data if size == len(data) else data[:size]
        self.sent += size
        if self.kept is not None:
            self.kept += piece
            if len(self.kept) > HIGH:
                self.kept = None
        upstream.deadline = self._loop.time() + (self._patience if self.body.done else STALLED_S)
        upstream.write(piece)
        if self.body.done:
            self.stop()
            self._client.buffer += data[size:]

    def stop(self) -> None:
        """What still comes stays in the client's buffer."""
        if self._upstream is not None:
            stop_pouring(self._client, self._upstream)
            self._client.on_eof = None
            self._upstream = None

    def _cut(self) -> None:
        self._break("the request's body was cut off")

    def _break(self, why: str) -> None:
        """It cannot be sent on: the upstream must not take what it has for all."""
        upstream = self._upstream
        self.broken = why
        self.stop()
        if upstream is not None:
            upstream.abort(reset=True)


class Download:
    """An answer's body."""

    __slots__ = ("_client", "_loop", "_upstream", "body", "broken", "sent")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, upstream: Stream, client: Stream, body: Body
    ) -> None:
        self._loop = loop
        self._upstream = upstream
        self._client = client
        self.body = body
        self.broken = False
        self.sent = 0

    async def run(self) -> bool:
        """Send all of it to the client; False when it was cut off.

        Raises:
            TimeoutError: nothing moved for `STALLED_S`.
        """
        upstream = self._upstream
        upstream.deadline = self._loop.time() + STALLED_S
        pour(upstream, self._client, self.take)
        try:
            while not self.body.done and not self.broken and not upstream.eof:
                await upstream.wait()
        except ConnectionError:
            return self.body.done
        finally:
            stop_pouring(upstream, self._client)
        return not self.broken and (self.body.done or isinstance(self.body, Endless))

    def take(self, data: bytes) -> None:
        """Send what has come from the upstream."""
        try:
            size = self.body.feed(data)
        except BadBody:
            self.broken = True
            self._upstream.wake()
            return
        self.sent += size
        if isinstance(self.body, Chunked) and self.body.plain is not None:
            self._client.write(bytes(self.body.plain))
            self.body.plain.clear()
        else:
            self._client.write(data if size == len(data) else data[:size])
        self._upstream.deadline = self._loop.time() + STALLED_S
        if self.body.done:
            self._upstream.sink = None
            self._upstream.buffer += data[size:]
            self._upstream.wake()
