"""The engine itself: libcurl with the TLS, the headers and the HTTP/2 of a browser."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from curl_cffi import AsyncCurl, Curl, CurlHttpVersion, CurlMOpt, CurlOpt
from curl_cffi.requests.impersonate import resolve_latest_browser_type

from proxies import names
from sites.fetch.address import ForbiddenAddress, public
from sites.fetch.answer import Failed
from sites.fetch.exchange import NoAnswer
from sites.fetch.impersonating.transfer import Transfer
from sites.fetch.kind import Kind
from sites.fetch.lean.engine import CONNECT_PART
from sites.fetch.lean.pool import IDLE_S, MOST_IDLE, OLDEST_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxies.model import Proxy
    from sites.definition.definition import Definition
    from sites.fetch.exchange import Asked

#: What libcurl holds grows with what it does: a session is renewed after so many requests.
MOST_REQUESTS = 1000
#: libcurl's own deadline is behind ours, in seconds: it is only there if ours should fail.
BEHIND_S = 5.0

#: What this libcurl unpacks; browsers announce all of it.
_ENCODINGS = "gzip, deflate, br, zstd"
_SCHEMES = {"http": "http", "https": "http", "socks4": "socks4a", "socks5": "socks5h"}
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True, eq=False)
class _Session:
    """Connections, and handles that nobody uses just now."""

    multi: AsyncCurl
    spare: list[Curl] = field(default_factory=list)
    asked: int = 0
    users: int = 0

    async def close(self) -> None:
        await self.multi.close()  # type: ignore[no-untyped-call]
        for curl in self.spare:
            curl.close()


class ImpersonatingEngine:
    """`Engine` by curl_cffi; made in the event loop that it works in."""

    def __init__(self, definition: Definition) -> None:
        wanted = definition.impersonate or ""
        self._browser = str(resolve_latest_browser_type(wanted))  # type: ignore[no-untyped-call]
        self._timeout = definition.limits.timeout
        self._guarded = not definition.allow_private
        self._session = _session()
        self._old: list[_Session] = []

    @asynccontextmanager
    async def exchange(self, asked: Asked, proxy: Proxy | None) -> AsyncIterator[Transfer]:
        """See `Engine`."""
        pinned = await self._pinned(asked.url) if self._guarded and proxy is None else []
        session = await self._current()
        session.asked += 1
        session.users += 1
        curl = session.spare.pop() if session.spare else Curl()
        transfer = Transfer(curl, asked.most, proxy)
        try:
            self._prepare(curl, transfer, asked, pinned)
            _through(curl, proxy, asked.url)
            transfer.begin(session.multi.add_handle(curl))
            await transfer.head()
            yield transfer
        finally:
            session.multi.remove_handle(curl)
            curl.clean_handles_and_buffers()
            curl.reset()
            session.spare.append(curl)
            session.users -= 1

    async def close(self) -> None:
        """See `Engine`."""
        for session in (*self._old, self._session):
            await session.close()

    async def _current(self) -> _Session:
        if self._session.asked >= MOST_REQUESTS:
            self._old.append(self._session)
            self._session = _session()
        idle, self._old = (
            [session for session in self._old if not session.users],
            [session for session in self._old if session.users],
        )
        for session in idle:
            await session.close()
        return self._session

    def _prepare(self, curl: Curl, transfer: Transfer, asked: Asked, pinned: list[str]) -> None:
        options = (
            (CurlOpt.URL, asked.url.encode()),
            (CurlOpt.FOLLOWLOCATION, 0),
            (CurlOpt.HTTPHEADER, [f"{name}: {value}".encode() for name, value in asked.lines]),
            (CurlOpt.ACCEPT_ENCODING, _ENCODINGS.encode()),
            (CurlOpt.HTTP09_ALLOWED, 0),
            (CurlOpt.SUPPRESS_CONNECT_HEADERS, 1),
            (CurlOpt.CONNECTTIMEOUT_MS, int(self._timeout * CONNECT_PART * 1000)),
            (CurlOpt.TIMEOUT_MS, int((self._timeout + BEHIND_S) * 1000)),
            (CurlOpt.MAXAGE_CONN, int(IDLE_S)),
            (CurlOpt.MAXLIFETIME_CONN, int(OLDEST_S)),
            (CurlOpt.HEADERFUNCTION, transfer.line),
            (CurlOpt.WRITEFUNCTION, transfer.part),
        )
        for option, value in options:
            curl.setopt(option, value)
        if pinned:
            curl.setopt(CurlOpt.RESOLVE, pinned)
        if curl.impersonate(self._browser):
            raise NoAnswer(Failed(Kind.PROTOCOL, f"libcurl knows no {self._browser}"))
        if asked.url.startswith("http:"):  # no browser offers HTTP/2 without TLS, as libcurl would
            curl.setopt(CurlOpt.HTTP_VERSION, CurlHttpVersion.V2TLS)

    async def _pinned(self, url: str) -> list[str]:
        """Look a name up ourselves: what was checked is what is connected."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            found = public(host, await names.addresses(host))
        except ForbiddenAddress as error:
            raise NoAnswer(Failed(Kind.FORBIDDEN, str(error))) from error
        except names.UnknownName as error:
            raise NoAnswer(Failed(Kind.DNS, "the name is not known")) from error
        addresses = ",".join(f"[{address}]" if ":" in address else address for address in found)
        return [] if names.version_of(host) else [f"+{host}:{port}:{addresses}"]


def _session() -> _Session:
    multi = AsyncCurl(loop=asyncio.get_running_loop())
    multi.setopt(CurlMOpt.MAXCONNECTS, MOST_IDLE)  # type: ignore[no-untyped-call]
    return _Session(multi)


def _through(curl: Curl, proxy: Proxy | None, url: str) -> None:
    """Say through whom; nothing of the environment counts."""
    curl.setopt(CurlOpt.NOPROXY, b"")
    if proxy is None:
        curl.setopt(CurlOpt.PROXY, b"")
        return
    parts = urlsplit(url)
    scheme = _SCHEMES[proxy.scheme]
    if scheme == "socks4a" and names.version_of(parts.hostname or ""):
        scheme = "socks4"  # 4a is for names
    curl.setopt(CurlOpt.PROXY, f"{scheme}://{proxy.address}".encode())
    # By a TLS session of one proxy, or user, the site would know the next one.
    curl.setopt(CurlOpt.SSL_SESSIONID_CACHE, 0)
    if proxy.username:
        curl.setopt(CurlOpt.PROXYUSERNAME, proxy.username.encode())
        curl.setopt(CurlOpt.PROXYPASSWORD, proxy.password.encode())
    if proxy.scheme == "https" or (proxy.scheme == "http" and parts.scheme == "https"):
        curl.setopt(CurlOpt.HTTPPROXYTUNNEL, 1)
