"""A client that speaks SOCKS5 (RFC 1928, RFC 1929): only CONNECT."""

from __future__ import annotations

import ipaddress
import logging
from typing import TYPE_CHECKING

from proxies.check.dial import Target
from proxies.gateway.address import host
from proxies.gateway.entry import NotLetIn, enter
from proxies.gateway.fault import Kind
from proxies.gateway.head import BadHead
from proxies.gateway.route import ANY, BadRoute, Route
from proxies.gateway.stream import NEVER
from proxies.gateway.tunnel import Words, serve

if TYPE_CHECKING:
    from proxies.gateway.client import Client
    from proxies.gateway.fault import Fault
    from proxies.gateway.setup import Setup
    from proxies.gateway.tries import Tries

log = logging.getLogger(__name__)

#: All that comes before the tunnel must have come so soon, in seconds.
HANDSHAKE_S = 10.0
VERSION = 5
_NOTHING, _PASSWORD, _NONE_OF_THESE = 0, 2, 0xFF
_GRANTED, _FAILED, _UNREACHABLE, _NO_SUCH_COMMAND, _NO_SUCH_ADDRESS = 0, 1, 4, 7, 8
_IPV4, _NAME, _IPV6 = 1, 3, 4


class _Refused(Exception):
    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


def _reply(code: int) -> bytes:
    return bytes((VERSION, code, 0, _IPV4)) + bytes(6)


class Socks:
    """One client's connection, from its first byte on."""

    __slots__ = ("_client", "_setup")

    def __init__(self, setup: Setup, client: Client) -> None:
        self._setup = setup
        self._client = client

    async def serve(self) -> None:
        """Make the tunnel that the client asks for, and carry it to its end."""
        self._client.deadline = self._setup.loop.time() + HANDSHAKE_S
        try:
            route = await self._greeted()
            target = await self._asked()
        except _Refused as refused:
            self._client.write(refused.answer)
            return
        self._client.deadline = NEVER
        words = Words("SOCKS5", _reply(_GRANTED), self._refuse)
        await serve(self._setup, self._client, route, target, words)

    async def _greeted(self) -> Route:
        _, count = await self._client.exactly(2)
        offered = await self._client.exactly(count)
        if _PASSWORD in offered:
            self._client.write(bytes((VERSION, _PASSWORD)))
            return await self._entered()
        if _NOTHING not in offered or self._setup.password:
            raise _Refused(bytes((VERSION, _NONE_OF_THESE)))
        self._client.write(bytes((VERSION, _NOTHING)))
        return ANY

    async def _entered(self) -> Route:
        (_,) = await self._client.exactly(1)
        username, password = await self._word(), await self._word()
        try:
            route = enter(
                username.decode("utf-8", "replace"),
                password.decode("utf-8", "replace"),
                self._setup.password,
            )
        except (NotLetIn, BadRoute) as error:
            log.warning("a SOCKS client was refused: %s", error)
            raise _Refused(b"\1\1") from error
        self._client.write(b"\1\0")
        return route

    async def _asked(self) -> Target:
        version, command, _, kind = await self._client.exactly(4)
        if version != VERSION or command != 1:
            raise _Refused(_reply(_NO_SUCH_COMMAND))
        if kind == _NAME:
            name = (await self._word()).decode("latin-1")
        elif kind in (_IPV4, _IPV6):
            name = str(ipaddress.ip_address(await self._client.exactly(4 if kind == _IPV4 else 16)))
        else:
            raise _Refused(_reply(_NO_SUCH_ADDRESS))
        port = int.from_bytes(await self._client.exactly(2), "big")
        if not port:
            raise _Refused(_reply(_UNREACHABLE))
        try:
            return Target(host(name), port)
        except BadHead as error:
            raise _Refused(_reply(_UNREACHABLE)) from error

    def _refuse(self, tries: Tries, fault: Fault) -> int:
        unable = fault.kind in (Kind.UNABLE, Kind.SILENT) and tries.tried
        self._client.write(_reply(_UNREACHABLE if unable else _FAILED))
        why = tries.story or self._setup.supply.shortage(tries.want)
        log.warning("no tunnel to %s: %s", tries.want.host, why)
        return 502 if tries.tried else 503

    async def _word(self) -> bytes:
        (size,) = await self._client.exactly(1)
        return await self._client.exactly(size)
