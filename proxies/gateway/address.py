"""Where a request goes: the absolute form of plain HTTP, and `host:port` of CONNECT."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

from proxies.check.dial import Target
from proxies.gateway.head import BadHead

_URL = re.compile(rb"(?i:http)://([^/?#]+)([/?][^#]*)?")
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:@\[\]]+)(?::([0-9]{0,5}))?")
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_-]{1,63})*\.?")
_HIGHEST_PORT = 65_535
_HTTP = 80


class Url(NamedTuple):
    """Target of a plain HTTP request."""

    authority: bytes
    path: bytes
    target: Target


def url(text: bytes, method: bytes) -> Url:
    """Read the absolute form.

    Raises:
        BadHead: it is none, or of another scheme than http.
    """
    found = _URL.fullmatch(text)
    if not found:
        if b"://" in text and not text.lower().startswith(b"http:"):
            raise BadHead("only http:// is asked for in this way; other schemes go by CONNECT", 501)
        raise BadHead("the target must be a URL like http://host/path, with nothing behind a #")
    authority, path = found[1], found[2] or (b"*" if method == b"OPTIONS" else b"/")
    if path.startswith(b"?"):
        path = b"/" + path
    return Url(authority, path, target(authority, _HTTP))


@lru_cache(maxsize=4096)
def target(authority: bytes, port: int | None = None) -> Target:
    """Read `host:port`; `port` is meant where none is named.

    Raises:
        BadHead: it is none.
    """
    found = _AUTHORITY.fullmatch(authority.decode("latin-1"))
    if not found:
        raise BadHead("the target must be host:port, without a user name")
    number = int(found[2]) if found[2] else port
    if number is None or not 0 < number <= _HIGHEST_PORT:
        raise BadHead("the target needs a port from 1 to 65535")
    return Target(host(found[1]), number)


def host(text: str) -> str:
    """A host in its usual spelling.

    Raises:
        BadHead: it is neither an IP address nor a name.
    """
    name = text.strip("[]").lower()
    if ":" in name or re.fullmatch(r"[0-9.]+", name):
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            raise BadHead("the target's host is no IP address") from None
    if not _NAME.fullmatch(name):
        raise BadHead("the target's host is not the name of a host")
    return name
