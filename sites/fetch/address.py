"""Which addresses a page may lead to: without leave, none inside this machine or its networks."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def public(host: str, addresses: Sequence[str]) -> list[str]:
    """Return those of the addresses of `host` that are public: what was checked is what is connected.

    Raises:
        ForbiddenAddress: none is.
    """
    found = [address for address in addresses if is_public(address)]
    if addresses and not found:
        raise ForbiddenAddress(f"{host} leads to {addresses[0]}, which is no public address")
    return found


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address in ipaddress.IPv6Network("64:ff9b::/96"):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
