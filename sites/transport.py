"""How a page is asked for: one request, direct or through a proxy, with a bound on everything."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp_socks import ProxyConnectionError as SocksConnectionError
from aiohttp_socks import ProxyError as SocksError
from aiohttp_socks import ProxyTimeoutError as SocksTimeout
from yarl import URL

from orchestrator.core.clock import SYSTEM, Clock
from sites import body
from sites.address import ForbiddenAddress, GuardedResolver, forbidden
from sites.fetch import Answer, Failed, Kind, Page, judge_proxy, judge_status
from sites.tunnels import Tunnels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from proxies.model import Proxy
    from sites.definition import Definition

log = logging.getLogger(__name__)

#: A connection may take this part of the time that a request has.
CONNECT_PART = 0.8

_SOCKS = (SocksError, SocksConnectionError, SocksTimeout)
_TEXT = ("text/", "application/xhtml", "application/xml", "application/json")


class Transport:
    """The connections of one shard to one site; an asynchronous context manager."""

    def __init__(self, definition: Definition, clock: Clock = SYSTEM) -> None:
        self._definition = definition
        self._clock = clock
        self._timeout = definition.limits.timeout
        self._most_bytes = int(definition.limits.body_mb * 1_000_000)
        self._direct = self._session(
            aiohttp.TCPConnector(
                limit=0, resolver=None if definition.allow_private else GuardedResolver()
            )
        )
        # A name of a proxy may well lead inside, so its lookup is not guarded.
        self._forwarded = self._session(aiohttp.TCPConnector(limit=0))
        self._tunnels = Tunnels(self._session)

    async def get(self, url: str, proxy: Proxy | None) -> Answer:
        """Ask for the canonical `url`; no redirect is followed, no failure is raised."""
        why = None if self._definition.allow_private else forbidden(urlsplit(url).hostname or "")
        if why:
            return Failed(Kind.FORBIDDEN, why)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._get(url, proxy)
        except TimeoutError:
            detail = f"no whole answer within {self._timeout:g} s"
            return _blame(Failed(Kind.TIMEOUT, detail), proxy)
        except aiohttp.ConnectionTimeoutError as error:
            # Through a proxy it is the connection to the proxy itself that did not come about.
            return Failed(Kind.PROXY, "cannot be reached") if proxy else classify(error)
        except (aiohttp.ClientError, OSError, ValueError, EOFError, *_SOCKS) as error:
            return _blame(classify(error), proxy)
        except Exception as error:  # the outer edge of a request: whatever a library lets out
            log.exception("a request to %s ended badly", urlsplit(url).hostname)
            return _blame(Failed(Kind.PROTOCOL, type(error).__name__), proxy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._tunnels.close()
        for session in (self._direct, self._forwarded):
            await session.close()

    async def _get(self, url: str, proxy: Proxy | None) -> Answer:
        target = URL(url, encoded=True)
        async with (
            self._way(proxy) as (session, through),
            session.get(target, proxy=through, allow_redirects=False) as response,
        ):
            verdict = judge_status(
                response.status,
                response.headers,
                now=self._clock.wall(),
                proxied=through is not None and target.scheme == "http",
            )
            return verdict or await self._page(response)

    async def _page(self, response: aiohttp.ClientResponse) -> Answer:
        kind = response.headers.get("Content-Type", "text/html").lower()
        if not kind.strip().startswith(_TEXT):
            kind = kind.encode("utf-8", "replace").decode()  # aiohttp lets odd bytes be surrogates
            return Failed(Kind.NOT_TEXT, kind[:80], status=response.status)
        if (response.content_length or 0) > self._most_bytes:
            return Failed(Kind.TOO_BIG, f"{response.content_length} bytes", status=response.status)
        encoding = response.headers.get("Content-Encoding", "")
        try:
            raw = await body.read(response.content.iter_any(), encoding, self._most_bytes)
        except body.TooBig as error:
            return Failed(Kind.TOO_BIG, str(error), status=response.status)
        except body.Unreadable as error:
            return Failed(Kind.PARSE, str(error), status=response.status)
        return Page(response.status, body.text_of(raw, response.charset), len(raw))

    @asynccontextmanager
    async def _way(
        self, proxy: Proxy | None
    ) -> AsyncIterator[tuple[aiohttp.ClientSession, URL | None]]:
        """Lend the session to use, with the forward proxy to name in the request."""
        if proxy is None:
            yield self._direct, None
        elif proxy.scheme == "http":
            yield self._forwarded, URL(proxy.url, encoded=True)
        else:
            async with self._tunnels.through(proxy) as session:
                yield session, None

    def _session(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        headers = {
            "User-Agent": self._definition.agent,
            "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.5",
            "Accept-Encoding": body.ACCEPTED_ENCODINGS,
        }
        return aiohttp.ClientSession(
            connector=connector,
            headers=headers,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeout * CONNECT_PART),
        )


def classify(error: Exception) -> Failed:
    """Translate what the libraries raise into a class of failure.

    Messages never carry a URL of a proxy: it may hold a password.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddress):
            return Failed(Kind.FORBIDDEN, str(cause))
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return judge_proxy(error.status)
    if isinstance(error, SocksError) and error.error_code:
        return Failed(Kind.PROXY, "does not reach the site", doubt=Kind.CONNECT)
    for kinds, kind, detail in _CLASSES:
        if isinstance(error, kinds):
            return Failed(kind, detail or _words(error))
    return Failed(Kind.CONNECT, _words(error))


_CLASSES: tuple[tuple[tuple[type[Exception], ...], Kind, str], ...] = (
    ((aiohttp.ClientProxyConnectionError, SocksConnectionError), Kind.PROXY, "cannot be reached"),
    ((SocksError,), Kind.PROXY, "refused to connect us"),
    # Only the handshake with a SOCKS proxy lets this one out.
    ((EOFError,), Kind.PROXY, "hung up in its handshake"),
    ((aiohttp.ClientConnectorDNSError,), Kind.DNS, "the name is not known"),
    ((aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError), Kind.TLS, ""),
    (
        (aiohttp.ServerTimeoutError, SocksTimeout, TimeoutError),
        Kind.TIMEOUT,
        "no connection in time",
    ),
    ((aiohttp.ServerDisconnectedError,), Kind.CONNECT, "closed without an answer"),
    ((aiohttp.ClientPayloadError,), Kind.PROTOCOL, "the body is shorter than announced"),
    ((aiohttp.ClientResponseError,), Kind.PROTOCOL, "the answer is no HTTP"),
)


def _words(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or type(error.os_error).__name__
    text = error.strerror if isinstance(error, OSError) else None
    return text or type(error).__name__


def _blame(failed: Failed, proxy: Proxy | None) -> Failed:
    """Without an answer nobody knows whether site or proxy failed: the proxy is changed, then."""
    if proxy is None or failed.kind in (Kind.PROXY, Kind.FORBIDDEN):
        return failed
    return Failed(Kind.PROXY, f"{failed.kind}: {failed.detail}", doubt=failed.kind)
