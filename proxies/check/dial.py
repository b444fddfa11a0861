"""How a proxy is asked for a tunnel: CONNECT, SOCKS4, SOCKS4a and SOCKS5.

Sources: RFC 9110 (9.3.6), RFC 1928, RFC 1929, and the memos on SOCKS4 and SOCKS4a of its authors.
"""

from __future__ import annotations

import base64
import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

from proxies.check.line import HungUp, LineError, TooMuch

if TYPE_CHECKING:
    from proxies.model import Proxy

#: A proxy may say so much before its tunnel begins, in bytes; a shorter line counts as one of these.
LARGEST_HEAD, SHORTEST_LINE = 32_768, 160
#: What HTTP says to the wrong credentials, or none.
CREDENTIALS_WANTED = 407

#: Answers begin with 0; some servers say 4.
_SOCKS4_VERSIONS = (0, 4)
_SOCKS4_GRANTED = 90
#: As far as the end of the status in the first line of an HTTP answer, in bytes.
_TO_STATUS = len("HTTP/1.1 200")
#: Statuses below are only a sign that more is to come.
_FIRST_FINAL = 200
_SOCKS5, _NOTHING, _PASSWORD = 5, 0, 2
#: An address in an answer of SOCKS5: its length by its kind; a name tells its own.
_LENGTHS = {1: 4, 4: 16}
_NAME = 3
#: SOCKS writes the length of a name or a password in one byte.
_LONGEST = 255


class Stream(Protocol):
    """What is needed of a connection to the proxy."""

    async def send(self, data: bytes) -> None:
        """Say all of it."""
        ...

    async def exactly(self, size: int) -> bytes:
        """Hear so many bytes; EOFError when the connection ends before."""
        ...

    async def until(self, end: bytes, most: int) -> bytes:
        """Hear everything up to `end`, and `end`; EOFError when the connection ends before."""
        ...


class Refused(LineError):
    """The proxy, or whoever is behind it, does not do what it is asked for; `code` as it says why."""

    def __init__(self, text: str, code: int = 0) -> None:
        self.code = code
        super().__init__(text)


class NotLetIn(LineError):
    """The proxy does not know these credentials, or wants some."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__("credentials refused" if proxy.username else "wants credentials")


class Target(NamedTuple):
    """Where a tunnel leads; `host` is a name or an address, `by_name` asks SOCKS4 for 4a in any case."""

    host: str
    port: int
    by_name: bool = False

    @property
    def authority(self) -> str:
        """`host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def tunnel(stream: Stream, proxy: Proxy, target: Target) -> None:
    """Ask `proxy`, over a connection to it, for a tunnel to `target`; `stream` is the tunnel, then.

    A name is for the proxy to resolve; with SOCKS4 this is 4a.

    Raises:
        LineError: there is none; `Refused` or `NotLetIn` when the proxy says so.
    """
    try:
        await _WAYS[proxy.scheme](stream, proxy, target)
    except EOFError:
        raise HungUp from None


def credentials(proxy: Proxy) -> str:
    """Return the header line that a proxy wants before it does anything; empty without credentials."""
    if not proxy.username:
        return ""
    pair = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
    return f"Proxy-Authorization: Basic {pair}\r\n"


async def _connect(stream: Stream, proxy: Proxy, target: Target) -> None:
    where = target.authority
    words = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n{credentials(proxy)}\r\n"
    await stream.send(words.encode("latin-1", "replace"))
    status, _ = await head_of(stream)
    if status == CREDENTIALS_WANTED:
        raise NotLetIn(proxy)
    if not 200 <= status < 300:  # noqa: PLR2004 (every status of this class is a yes)
        raise _refused(status)


async def head_of(stream: Stream) -> tuple[int, list[bytes]]:
    """Hear the head of an HTTP answer, past those that only say that it is to come: status and headers.

    A line may end without CR (RFC 9112, 2.2).

    Raises:
        LineError: it is no HTTP, which is said at once, or too long.
    """
    status, headers, room = 0, [b""], LARGEST_HEAD
    while status < _FIRST_FINAL:
        status, headers = await _status_of(stream, room), []
        while line := (await stream.until(b"\n", room)).rstrip(b"\r\n"):
            headers.append(line)
            room = _left(room, line)
        room = _left(room)
    return status, headers


async def _status_of(stream: Stream, room: int) -> int:
    start = await stream.exactly(_TO_STATUS)
    if start[:7] != b"HTTP/1." or start[8:9] != b" " or not start[9:].isdigit():
        raise LineError("not HTTP")
    if (await stream.until(b"\n", room))[:1] not in b" \r\n":
        raise LineError("not HTTP")
    return int(start[9:])


def _left(room: int, line: bytes = b"") -> int:
    """How much more may be said after a line."""
    left = room - max(len(line), SHORTEST_LINE)
    if left <= 0:
        raise TooMuch("no end of headers")
    return left


async def _socks4(stream: Stream, proxy: Proxy, target: Target) -> None:
    address, name = b"\0\0\0\1", target.host.encode("idna") + b"\0"
    if not target.by_name:
        with suppress(ValueError):
            address, name = ipaddress.IPv4Address(target.host).packed, b""
    user = proxy.username.encode()
    if b"\0" in user:
        raise LineError("credentials refused")
    port = target.port.to_bytes(2, "big")
    await stream.send(b"\x04\x01" + port + address + user + b"\0" + name)
    version, code = (await stream.exactly(2))[:2]
    if version not in _SOCKS4_VERSIONS:
        raise LineError("not SOCKS")
    if code != _SOCKS4_GRANTED:
        raise _refused(code)
    await stream.exactly(6)


async def _socks5(stream: Stream, proxy: Proxy, target: Target) -> None:
    await stream.send(b"\x05\x02\x00\x02" if proxy.username else b"\x05\x01\x00")
    version, method = await stream.exactly(2)
    if version != _SOCKS5:
        raise LineError("not SOCKS")
    if method == _PASSWORD and proxy.username:
        await _log_in(stream, proxy)
    elif method != _NOTHING:
        raise NotLetIn(proxy)
    port = target.port.to_bytes(2, "big")
    await stream.send(b"\x05\x01\x00" + _address5(target.host) + port)
    version, code, _, kind = await stream.exactly(4)
    if version != _SOCKS5:
        raise LineError("not SOCKS")
    if code:
        raise _refused(code)
    size = (await stream.exactly(1))[0] if kind == _NAME else _LENGTHS.get(kind)
    if size is None:
        raise LineError("not SOCKS")
    await stream.exactly(size + 2)


async def _log_in(stream: Stream, proxy: Proxy) -> None:
    user, password = proxy.username.encode(), proxy.password.encode()
    if max(len(user), len(password)) > _LONGEST:
        raise NotLetIn(proxy)
    words = bytes([len(user)]) + user + bytes([len(password)]) + password
    await stream.send(b"\x01" + words)
    if (await stream.exactly(2))[1] != 0:
        raise NotLetIn(proxy)


def _refused(code: int) -> Refused:
    return Refused(f"tunnel refused ({code})", code)


def _address5(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return bytes([_NAME, len(name)]) + name
    return bytes([1 if address.version == 4 else 4]) + address.packed  # noqa: PLR2004 (IP's own)


_WAYS = {"http": _connect, "https": _connect, "socks4": _socks4, "socks5": _socks5}
