"""One spelling for each host, as browsers read what people write (WHATWG URL Standard, "host parsing")."""

from __future__ import annotations

import ipaddress
import re
import socket

import idna

#: Longest name that the DNS can carry.
LONGEST_HOST = 253

_NUMERIC_HOST = re.compile(r"(0[xX][0-9a-fA-F]*|\d+)(\.(0[xX][0-9a-fA-F]*|\d+)){0,3}")
_ASCII_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")


def canonical_host(host: str) -> str | None:
    """Return the one spelling of a host name or address; None when it is neither.

    >>> canonical_host("BÜCHER.example."), canonical_host("0x7f.1"), canonical_host("[::0:1]")
    ('xn--bcher-kva.example', '127.0.0.1', '[::1]')
    """
    bare = host.strip("[]").rstrip(".").lower()
    if ":" in bare:
        try:
            return f"[{ipaddress.IPv6Address(bare).compressed}]"
        except ValueError:
            return None
    if not bare.isascii():
        try:
            bare = idna.encode(bare, uts46=True).decode("ascii").rstrip(".")
        except (idna.IDNAError, UnicodeError):
            return None
    if _NUMERIC_HOST.fullmatch(bare):  # also of digits in another alphabet, which are mapped above
        return _dotted(bare)
    return bare if _ASCII_HOST.fullmatch(bare) and len(bare) <= LONGEST_HOST else None


def _dotted(numeric: str) -> str | None:
    """Return what `inet_aton` makes of 2130706433, 0x7f.1 and 127.1, as browsers do."""
    try:
        return socket.inet_ntoa(socket.inet_aton(numeric))
    except OSError:
        return None
