"""Ways to a site: connections to it, to a proxy that reads requests, or through one that tunnels."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from aiohappyeyeballs import start_connection

from proxies import names
from proxies.check import dial
from proxies.check.dial import Target
from proxies.check.line import HungUp, LineError
from sites.fetch.address import ForbiddenAddress, public
from sites.fetch.answer import Failed
from sites.fetch.exchange import NoAnswer
from sites.fetch.kind import Kind
from sites.fetch.lean.wire import Wire
from sites.fetch.status import judge_proxy

if TYPE_CHECKING:
    from proxies.model import Proxy

#: Names are looked up again after so long, in seconds; nobody needs so many of them at once.
NAMES_S = 30.0
MOST_NAMES = 500
#: Of several addresses the next one is tried beside the one before after so long, in seconds (RFC 8305).
NEXT_ADDRESS_S = 0.25

_PORTS = {"http": 80, "https": 443}


class Way(NamedTuple):
    """Where a connection leads, which tells those that can be used for one another.

    `host` and `port` are the site's, or "" and 0 when a proxy reads the requests for all sites.
    """

    proxy: Proxy | None
    host: str
    port: int
    secure: bool

    @classmethod
    def to(cls, url: str, proxy: Proxy | None) -> Way:
        """Return the way to the site of a canonical URL."""
        parts = urlsplit(url)
        if proxy is not None and proxy.scheme == "http" and parts.scheme == "http":
            return cls(proxy, "", 0, secure=False)
        port = parts.port or _PORTS[parts.scheme]
        return cls(proxy, parts.hostname or "", port, parts.scheme == "https")


class Ways:
    """Opens connections. `guarded`: none of them directly to an address inside this network.

    A connection may take `connect_s` seconds, without what is said over it.
    """

    def __init__(self, context: ssl.SSLContext, connect_s: float, *, guarded: bool) -> None:
        self._context = context
        self._connect_s = connect_s
        self._guarded = guarded
        self._loop = asyncio.get_running_loop()
        self._names: dict[str, tuple[float, asyncio.Task[list[str]]]] = {}

    async def open(self, way: Way) -> Wire:
        """Connect.

        Raises:
            NoAnswer: there is no connection.
        """
        wire = await self._connect(way)
        try:
            if way.proxy is not None and way.host:
                await _tunnel(wire, way.proxy, Target(way.host, way.port))
            if way.secure:
                await self._secure(wire, way.host)
        except BaseException:
            wire.close()
            raise
        return wire

    async def _connect(self, way: Way) -> Wire:
        proxy = way.proxy
        try:
            async with asyncio.timeout(self._connect_s):
                if proxy is not None:
                    return await self._reach(proxy.host, proxy.port, guarded=False)
                return await self._reach(way.host, way.port, guarded=self._guarded)
        except OSError as error:
            failed = _unreached(error)
            if proxy is not None:
                failed = Failed(Kind.PROXY, "cannot be reached")
            raise NoAnswer(failed) from error

    async def _reach(self, host: str, port: int, *, guarded: bool) -> Wire:
        # A name of a proxy may well lead inside, so its lookup is not guarded.
        found = await self._addresses(host)
        infos = [_info(address, port) for address in (public(host, found) if guarded else found)]
        sock = await start_connection(
            infos, happy_eyeballs_delay=NEXT_ADDRESS_S, interleave=1, loop=self._loop
        )
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _, wire = await self._loop.create_connection(lambda: Wire(self._loop), sock=sock)
        except BaseException:
            sock.close()
            raise
        return wire

    async def _addresses(self, host: str) -> list[str]:
        """Look a name up, once for all who ask meanwhile."""
        if names.version_of(host):
            return [host]
        now = self._loop.time()
        at, task = self._names.get(host, (now, None))
        if task is None or now - at >= NAMES_S or _failed(task):
            if len(self._names) >= MOST_NAMES:
                self._names.clear()
            task = asyncio.create_task(names.addresses(host))
            task.add_done_callback(_failed)  # or an error that nobody waited for would be told of
            self._names[host] = (now, task)
        return await asyncio.shield(task)

    async def _secure(self, wire: Wire, host: str) -> None:
        try:
            await wire.secure(self._context, host)
        except ssl.SSLError as error:
            raise NoAnswer(Failed(Kind.TLS, error.strerror or type(error).__name__)) from error
        except OSError as error:
            raise NoAnswer(Failed(Kind.TLS, "closed in its handshake")) from error


async def _tunnel(wire: Wire, proxy: Proxy, target: Target) -> None:
    try:
        await dial.tunnel(wire, proxy, target)
    except (LineError, OSError) as error:
        raise NoAnswer(_refused(error, proxy)) from error


def _refused(error: Exception, proxy: Proxy) -> Failed:
    """Say what it means that there is no tunnel; no message has a URL of the proxy in it."""
    if isinstance(error, dial.Refused):
        if proxy.scheme in ("http", "https"):
            return judge_proxy(error.code)
        return Failed(Kind.PROXY, "does not reach the site", doubt=Kind.CONNECT)
    if isinstance(error, HungUp | OSError):
        return Failed(Kind.PROXY, "hung up in its handshake")
    return Failed(Kind.PROXY, "refused to connect us")


def _unreached(error: OSError) -> Failed:
    if isinstance(error, ForbiddenAddress):
        return Failed(Kind.FORBIDDEN, str(error))
    if isinstance(error, names.UnknownName):
        return Failed(Kind.DNS, "the name is not known")
    if isinstance(error, TimeoutError) and not error.errno:
        return Failed(Kind.TIMEOUT, "no connection in time")
    return Failed(Kind.CONNECT, error.strerror or type(error).__name__)


def _failed(task: asyncio.Task[list[str]]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _info(address: str, port: int) -> tuple[int, int, int, str, tuple[str, int]]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port)
