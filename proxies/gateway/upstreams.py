"""Connections to upstreams: made, kept open between requests where that is safe, and ended."""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from proxies.check.dial import NotLetIn, Refused, Target, tunnel
from proxies.check.line import HungUp, LineError
from proxies.gateway.fault import Fault, Kind
from proxies.gateway.stream import NEVER, Stream

if TYPE_CHECKING:
    from proxies.model import Proxy

#: A connection that nobody uses is kept so long, in seconds; at most so many for each upstream, and in all.
IDLE_S = 15.0
MOST_IDLE = 32
MOST_IDLE_IN_ALL = 512
#: Why there is no connection when that is not the upstream's doing: this machine has no network, no open
#: files or ports left, or cannot look names up.
_OURS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EADDRNOTAVAIL,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EACCES,
        errno.EPERM,
        socket.EAI_AGAIN,
    }
)

#: Where a kept connection leads: the upstream with its credentials, and the tunnel's end.
_Place: TypeAlias = "tuple[str, Target | None]"


@dataclass(slots=True)
class Upstreams:
    """For one event loop; `streams` are all connections whose deadlines are looked at."""

    loop: asyncio.AbstractEventLoop
    streams: set[Stream]
    connect_timeout: float
    _idle: dict[_Place, list[Stream]] = field(default_factory=dict)
    _kept: int = 0

    def idle(self, proxy: Proxy, target: Target | None) -> Stream | None:
        """A connection that is open already; with `target` through a tunnel to it."""
        place = (proxy.url, target)
        while kept := self._idle.get(place):
            stream = kept[-1]
            self._forget(place, stream)
            if stream.lost is None and not stream.eof:
                stream.idle = False
                stream.deadline = NEVER
                return stream
        return None

    def keep(self, proxy: Proxy, target: Target | None, stream: Stream) -> None:
        """Keep a connection on which everything that was asked for has been answered."""
        place = (proxy.url, target)
        kept = self._idle.setdefault(place, [])
        spoilt = stream.lost is not None or stream.eof or stream.buffer
        if spoilt or len(kept) >= MOST_IDLE or self._kept >= MOST_IDLE_IN_ALL:
            stream.abort()
            if not kept:
                del self._idle[place]
            return
        stream.idle = True
        stream.deadline = self.loop.time() + IDLE_S
        stream.on_lost = partial(self._forget, place, stream)
        stream.go_on()
        kept.append(stream)
        self._kept += 1

    def _forget(self, place: _Place, stream: Stream) -> None:
        stream.on_lost = None
        kept = self._idle.get(place)
        if kept and stream in kept:
            kept.remove(stream)
            self._kept -= 1
            if not kept:
                del self._idle[place]

    async def open(self, proxy: Proxy, target: Target | None, patience: float) -> Stream:
        """Connect to `proxy`; with `target` have it make a tunnel, for which it has `patience` seconds.

        Raises:
            Fault: it cannot be reached, or makes no tunnel.
        """
        stream = await self._connected(proxy, min(patience, self.connect_timeout))
        if target is None:
            return stream
        stream.deadline = self.loop.time() + patience
        try:
            await tunnel(stream, proxy, target)
        except (TimeoutError, ConnectionError, LineError, UnicodeError) as error:
            stream.abort()
            raise _fault(error) from error
        except BaseException:
            stream.abort()
            raise
        stream.deadline = NEVER
        return stream

    async def _connected(self, proxy: Proxy, patience: float) -> Stream:
        try:
            async with asyncio.timeout(patience):
                _, stream = await self.loop.create_connection(
                    lambda: Stream(self.loop, self.streams), proxy.host, proxy.port
                )
        except TimeoutError as error:
            why = f"no connection within {patience:g} s"
            raise Fault(Kind.REFUSED, why, its_own=True) from error
        except OSError as error:
            why = f"cannot be reached: {error.strerror or error}"
            raise Fault(Kind.REFUSED, why, its_own=error.errno not in _OURS) from error
        return stream

    def close(self) -> None:
        """End the connections that nobody uses."""
        for kept in list(self._idle.values()):
            for stream in kept:
                stream.abort()


def _fault(error: Exception) -> Fault:
    """What it means that there is no tunnel."""
    kinds = {
        TimeoutError: Kind.SILENT,
        ConnectionError: Kind.CLOSED,
        HungUp: Kind.CLOSED,
        NotLetIn: Kind.CREDENTIALS,
        Refused: Kind.UNABLE,
        LineError: Kind.GARBAGE,
        UnicodeError: Kind.UNABLE,
    }
    kind = next(kind for each, kind in kinds.items() if isinstance(error, each))
    own = kind in (Kind.CREDENTIALS, Kind.GARBAGE)
    return Fault(kind, f"{error}" if kind is Kind.UNABLE else "", its_own=own)
