"""A proxy, what the check found out about it, and what one line of a list means."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote, unquote

#: What a list may name. `https` is a proxy that is asked for a tunnel (CONNECT).
SCHEMES = ("http", "https", "socks4", "socks5")
#: Other names for them: who resolves names is for the one who asks, not for the list.
_ALIASES = {"socks4a": "socks4", "socks5h": "socks5"}
#: What an address without a scheme may be.
_UNNAMED = ("http", "socks5")

_LINE = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?"
    r"(?:(?P<credentials>.*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+):(?P<port>[0-9]{1,5})/?"
)
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_-]{1,63})*\.?")
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Proxy:
    """Somebody who makes requests for us. Its repr never shows the credentials."""

    scheme: str
    host: str
    port: int
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """Its identity: scheme, user, host and port; a new password does not make it another.

        >>> Proxy("socks5", "10.0.0.1", 1080, "ann", "secret").key
        'socks5://ann@10.0.0.1:1080'
        """
        user = f"{quote(self.username, safe='')}@" if self.username else ""
        return f"{self.scheme}://{user}{self.address}"

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """All of it, with the credentials: never for logs."""
        if not self.username:
            return f"{self.scheme}://{self.address}"
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"{self.scheme}://{quote(self.username, safe='')}{secret}@{self.address}"

    @property
    def masked(self) -> str:
        """For people and logs.

        >>> Proxy("http", "10.0.0.1", 3128, "ann", "secret").masked
        'http://***@10.0.0.1:3128'
        """
        return f"{self.scheme}://{'***@' if self.username else ''}{self.address}"

    def __str__(self) -> str:
        return self.masked


def parse(text: str, default_scheme: str = "http") -> Proxy:
    """Read `scheme://[user:pass@]host:port` or a bare `host:port`.

    >>> parse("10.0.0.1:3128")
    Proxy(scheme='http', host='10.0.0.1', port=3128)

    Raises:
        ValueError: it is neither; the message repeats nothing of it, as it may hold a password.
    """
    found = _LINE.fullmatch(text.strip())
    if not found:
        raise ValueError("not of the form scheme://[user:pass@]host:port or host:port")
    named = (found["scheme"] or default_scheme).lower()
    scheme = _ALIASES.get(named, named)
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme; allowed are {', '.join(SCHEMES)}")
    port = int(found["port"])
    if not 0 < port <= _HIGHEST_PORT:
        raise ValueError("the port must be a number from 1 to 65535")
    username, _, password = (found["credentials"] or "").partition(":")
    return Proxy(scheme, _host(found["host"]), port, unquote(username), unquote(password))


def candidates_of(text: str) -> tuple[Proxy, ...]:
    """Read a line as `parse` does, but take one without a scheme for all that it may be.

    >>> [proxy.key for proxy in candidates_of("10.0.0.1:1080")]
    ['http://10.0.0.1:1080', 'socks5://10.0.0.1:1080']

    Raises:
        ValueError: as `parse` does.
    """
    proxy = parse(text)
    found = _LINE.fullmatch(text.strip())
    if found and found["scheme"]:
        return (proxy,)
    return tuple(replace(proxy, scheme=scheme) for scheme in _UNNAMED)


def _host(text: str) -> str:
    host = text.strip("[]").lower()
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            if ":" in host:
                host = str(ipaddress.ip_address(host))
            else:
                socket.inet_pton(socket.AF_INET, host)  # ten times as quick, and as strict
        except (ValueError, OSError):
            raise ValueError("that is not an IP address") from None
        return host
    if not _NAME.fullmatch(host):
        raise ValueError("that is not the name of a host")
    return host


class Anonymity(StrEnum):
    """What a judge can tell about us when we come through the proxy."""

    TRANSPARENT = "transparent"  #: our own address
    ANONYMOUS = "anonymous"  #: that a proxy is in between, but not for whom
    ELITE = "elite"  #: nothing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found: live with its facts, or not with the reason."""

    proxy: Proxy
    checked_at: float  #: seconds since 1970, on the clock of the Redis server
    reason: str = ""  #: why it is not live; empty when it is
    anonymity: Anonymity = Anonymity.TRANSPARENT
    exit_ip: str = ""
    latency_ms: int = 0
    tls: bool | None = None  #: whether TLS works through it, unbroken; None: nobody has looked
    listed_as: str = ""  #: the scheme that its list says, when it works with another one only

    @property
    def live(self) -> bool:
        """Whether it answered truly."""
        return not self.reason

    @property
    def usable(self) -> bool:
        """Whether it is live and hides us; that it is fresh is for the pool to say."""
        return self.live and self.anonymity is not Anonymity.TRANSPARENT

    @property
    def candidate(self) -> Proxy:
        """The proxy as its list names it."""
        return replace(self.proxy, scheme=self.listed_as) if self.listed_as else self.proxy

    @property
    def http_only(self) -> bool:
        """Whether it is known that no TLS works through it; it is honest with plain HTTP."""
        return self.tls is False

    def as_json(self) -> dict[str, Any]:
        """Return the form that chunks and the pool keep in Redis, with the credentials."""
        return {
            "url": self.proxy.url,
            "checked_at": self.checked_at,
            "anonymity": str(self.anonymity),
            "exit_ip": self.exit_ip,
            "latency_ms": self.latency_ms,
            "tls": self.tls,
            "listed_as": self.listed_as,
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Verdict:
        """Read back a live verdict, one of an earlier version too."""
        return cls(
            parse(facts["url"]),
            float(facts["checked_at"]),
            anonymity=Anonymity(facts["anonymity"]),
            exit_ip=facts["exit_ip"],
            latency_ms=facts["latency_ms"],
            tls=facts.get("tls"),
            listed_as=facts.get("listed_as", ""),
        )
