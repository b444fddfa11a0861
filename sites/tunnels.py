"""The connections through proxies that tunnel: a few are kept, and none is closed while it is used."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp_socks import ProxyConnector, ProxyType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import aiohttp

    from proxies.model import Proxy

#: Sessions that are kept open; of those that nobody uses the one unused for longest goes first.
MOST_TUNNELS = 64

_KINDS = {
    "https": ProxyType.HTTP,
    "socks4": ProxyType.SOCKS4,
    "socks5": ProxyType.SOCKS5,
}


@dataclass(slots=True)
class _Tunnel:
    session: aiohttp.ClientSession
    users: int = 0


class Tunnels:
    """One session for each proxy; `make` makes one of a connector."""

    def __init__(self, make: Callable[[aiohttp.BaseConnector], aiohttp.ClientSession]) -> None:
        self._make = make
        self._open: OrderedDict[str, _Tunnel] = OrderedDict()

    @asynccontextmanager
    async def through(self, proxy: Proxy) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend the session of `proxy`; it stays open until everybody has given it back."""
        tunnel = self._open.get(proxy.url)
        if tunnel is None:
            tunnel = self._open[proxy.url] = _Tunnel(self._make(_connector(proxy)))
        self._open.move_to_end(proxy.url)
        tunnel.users += 1
        try:
            await self._trim()
            yield tunnel.session
        finally:
            tunnel.users -= 1

    async def close(self) -> None:
        """Close them all."""
        for tunnel in self._open.values():
            await tunnel.session.close()
        self._open.clear()

    async def _trim(self) -> None:
        spare = len(self._open) - MOST_TUNNELS
        idle = [url for url, tunnel in self._open.items() if not tunnel.users]
        closing = [self._open.pop(url) for url in idle[: max(0, spare)]]
        for tunnel in closing:
            await tunnel.session.close()


def _connector(proxy: Proxy) -> ProxyConnector:
    return ProxyConnector(
        proxy.host,
        proxy.port,
        _KINDS[proxy.scheme],
        username=proxy.username or None,
        password=proxy.password or None,
        rdns=True,
        limit=0,
    )
