"""Whether a client that sends no more is still there.

The end of what a client sends may mean that it waits for the answer, or that it has gone: both look the
same. An interim answer, which every client of HTTP/1.1 passes over (RFC 9110, 15.2), is answered with a
reset by a system whose program has gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from proxies.gateway.stream import Stream

#: How often it is looked whether the reset has come, in seconds.
LOOK_S = 0.05

_ANYBODY = b"HTTP/1.1 100 Continue\r\n\r\n"


class Presence:
    """Watches one client while its answer is waited for; of one that has gone the connection is ended."""

    __slots__ = ("_asked", "_client", "_loop", "_timer", "_understands")

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Stream, version: int) -> None:
        self._loop = loop
        self._client = client
        #: HTTP/1.0 knows no interim answers.
        self._understands = version > 0
        self._asked = False
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """The client has said all that it has to say."""
        if self._understands:
            self._client.on_eof = self._ended
            if self._client.eof:
                self._ended()

    def stop(self) -> None:
        """The answer begins: from now on whoever has gone is noticed by that."""
        self._client.on_eof = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ended(self) -> None:
        if not self._asked:
            self._asked = True
            self._client.write(_ANYBODY)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_S, self._look)

    def _look(self) -> None:
        if self._client.was_reset:
            self._client.abort()
        else:
            self._timer = self._loop.call_later(LOOK_S, self._look)
