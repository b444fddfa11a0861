"""A connection that a client made: what it speaks is told by its first byte."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from proxies.gateway.http import HEAD_S, Http
from proxies.gateway.socks import VERSION, Socks
from proxies.gateway.stream import NEVER, Stream

if TYPE_CHECKING:
    from proxies.gateway.setup import Setup

log = logging.getLogger(__name__)

#: What a client still sends when it has been refused is taken for so long, and not beyond so many bytes:
#: else the system would throw away with it the answer that says why.
LINGER_S = 2.0
MOST_LINGERING = 1_048_576

#: What else a program may be set to speak, by its first byte, and how that is told that it is refused.
_OTHERS = {
    0x04: ("SOCKS4", b"\x00\x5b" + bytes(6)),
    0x16: ("TLS (https:// in the address of the proxy)", b"\x15\x03\x01\x00\x02\x02\x28"),
}

_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 21\r\nConnection: close\r\nRetry-After: 1\r\n"
    b"Proxy-Status: orch; error=proxy_internal_error\r\n\r\nthe gateway is full.\n"
)


class Client(Stream):
    """Served by a task of its own, which ends with it."""

    __slots__ = ("_clients", "_setup", "_task", "peer", "served", "waits")

    def __init__(self, setup: Setup, clients: set[Client]) -> None:
        super().__init__(setup.loop, setup.streams)
        self._setup = setup
        self._clients = clients
        self._task: asyncio.Task[None] | None = None
        self.peer = ""
        #: How many requests it has made.
        self.served = 0
        #: Whether it has nothing to do but wait for the next one.
        self.waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.peer = f"{peer[0]}:{peer[1]}" if peer else "?"
        if len(self._clients) >= self._setup.most_clients:
            self.write(_FULL)
            self.close()
            return
        self._clients.add(self)
        self.on_lost = self._gone
        self._task = self._loop.create_task(self._serve())

    async def ended(self) -> None:
        """Wait until it is served, or has gone."""
        if self._task is not None:
            await asyncio.wait({self._task})
        self._clients.discard(self)

    def end(self) -> None:
        """Stop serving it, whatever it waits for."""
        if self._task is not None:
            self._task.cancel()
        self.abort(reset=not self.waits)  # it must not take what it has for all

    def _gone(self) -> None:
        """It went away: whatever is done for it ends now."""
        self._clients.discard(self)
        if self._task is not None:
            self._task.cancel()

    async def _serve(self) -> None:
        try:
            self.deadline = self._loop.time() + HEAD_S
            self.waits = True
            while not self.buffer:
                if not await self.more():
                    return
            self.waits = False
            if self.buffer[0] == VERSION:
                await Socks(self._setup, self).serve()
            elif self.buffer[0] in _OTHERS:
                name, answer = _OTHERS[self.buffer[0]]
                log.warning("%s speaks %s: here are HTTP, CONNECT and SOCKS5", self.peer, name)
                self.write(answer)
                await self._linger()
            else:
                await Http(self._setup, self).serve()
                await self._linger()
        except (ConnectionError, TimeoutError, EOFError):
            pass  # it has gone, or does not go on: there is nobody to tell
        except Exception:
            log.exception("a client was dropped: %s", self.peer)
            self.abort(reset=True)
        finally:
            self.close()
            self._clients.discard(self)

    async def _linger(self) -> None:
        """Take what still comes of a request that was not read to its end."""
        if self.eof or self.closing:
            return
        self.finish()
        self.deadline = self._loop.time() + LINGER_S
        taken = len(self.buffer)
        self.buffer.clear()
        while taken < MOST_LINGERING and await self.more():
            taken += len(self.buffer)
            self.buffer.clear()
        self.deadline = NEVER
