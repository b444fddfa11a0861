"""A proxy, what the check found out about it, and what one line of a list means."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote, unquote

#: What a list may name. `https` is a proxy that is asked for a tunnel (CONNECT).
SCHEMES = ("http", "https", "socks4", "socks5")

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
    scheme = (found["scheme"] or default_scheme).lower()
    if scheme not in SCHEMES:
        raise ValueError(f"unknown scheme; allowed are {', '.join(SCHEMES)}")
    port = int(found["port"])
    if not 0 < port <= _HIGHEST_PORT:
        raise ValueError("the port must be a number from 1 to 65535")
    username, _, password = (found["credentials"] or "").partition(":")
    return Proxy(scheme, _host(found["host"]), port, unquote(username), unquote(password))


def _host(text: str) -> str:
    host = text.strip("[]").lower()
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            raise ValueError("that is not an IP address") from None
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

    @property
    def live(self) -> bool:
        """Whether it answered truly."""
        return not self.reason

    @property
    def usable(self) -> bool:
        """Whether it is live and hides us; that it is fresh is for the pool to say."""
        return self.live and self.anonymity is not Anonymity.TRANSPARENT

    def as_json(self) -> dict[str, Any]:
        """Return the form that chunks and the pool keep in Redis, with the credentials."""
        return {
            "url": self.proxy.url,
            "checked_at": self.checked_at,
            "anonymity": str(self.anonymity),
            "exit_ip": self.exit_ip,
            "latency_ms": self.latency_ms,
        }

    @classmethod
    def from_json(cls, facts: dict[str, Any]) -> Verdict:
        """Read back a live verdict."""
        return cls(
            parse(facts["url"]),
            float(facts["checked_at"]),
            anonymity=Anonymity(facts["anonymity"]),
            exit_ip=facts["exit_ip"],
            latency_ms=facts["latency_ms"],
        )
