"""Which addresses a page may lead to: without leave, none inside this machine or its networks."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from aiohttp.abc import AbstractResolver
from aiohttp.resolver import ThreadedResolver

if TYPE_CHECKING:
    import socket

    from aiohttp.abc import ResolveResult

#: Names that mean this machine or its network whatever the DNS says.
_INSIDE = ("localhost", "local", "internal", "localdomain", "home.arpa")


class ForbiddenAddress(OSError):
    """A name leads to an address that it may not lead to."""


def is_public(address: str) -> bool:
    """Tell whether an IP address belongs to the public Internet.

    >>> [is_public(a) for a in ("93.184.215.14", "127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1")]
    [True, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or _nat64(found)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast


def forbidden(host: str) -> str | None:
    """Say why `host`, an address or a name, is forbidden as it is written; None when it is not."""
    bare = host.strip("[]")
    try:
        return None if is_public(bare) else f"{bare} is no public address"
    except ValueError:
        inside = any(bare == name or bare.endswith(f".{name}") for name in _INSIDE)
        return f"{bare} is a name inside this network" if inside else None


class GuardedResolver(AbstractResolver):
    """Looks names up and refuses those that lead inside: what was checked is what is connected."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily | int = 0
    ) -> list[ResolveResult]:
        """Return the public addresses of `host`.

        Raises:
            ForbiddenAddress: it has none that is public.
        """
        found = await self._inner.resolve(host, port, family)  # type: ignore[arg-type]
        public = [result for result in found if is_public(result["host"])]
        if found and not public:
            raise ForbiddenAddress(
                f"{host} leads to {found[0]['host']}, which is no public address"
            )
        return public

    async def close(self) -> None:
        """Nothing is held."""
        await self._inner.close()


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
