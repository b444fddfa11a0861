"""How a page is asked for: one request, direct or through a proxy, with a bound on everything."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from orchestrator.core.clock import SYSTEM, Clock
from sites.fetch.address import forbidden
from sites.fetch.answer import Answer, Failed, Unchanged
from sites.fetch.cookies import Cookies
from sites.fetch.engines import engine_of
from sites.fetch.exchange import Asked, NoAnswer
from sites.fetch.judge import Judge
from sites.fetch.kind import Kind

if TYPE_CHECKING:
    from types import TracebackType

    from proxies.model import Proxy
    from sites.definition.definition import Definition
    from sites.fetch.answer import Proof
    from sites.fetch.exchange import Engine

log = logging.getLogger(__name__)

NOT_MODIFIED = 304


class Transport:
    """The connections and the cookies of one shard to one site; an asynchronous context manager.

    Whatever speaks HTTP for it (`Engine`, as the site's file says), what comes is bounded, and judged,
    in the same way.
    """

    def __init__(self, definition: Definition, clock: Clock = SYSTEM) -> None:
        self._definition = definition
        self._clock = clock
        self._timeout = definition.limits.timeout
        self._judge = Judge(definition, clock)
        self._cookies = Cookies()
        self._engine: Engine

    async def get(
        self, url: str, proxy: Proxy | None, *, head: int = 0, proof: Proof | None = None
    ) -> Answer:
        """Ask for the canonical `url`; no redirect is followed, no failure is raised.

        With `head`, only so many bytes of it are wanted, of whatever media type they are. With a `proof`
        it may be unchanged.
        """
        why = None if self._definition.allow_private else forbidden(urlsplit(url).hostname or "")
        if why:
            return Failed(Kind.FORBIDDEN, why)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._get(url, proxy, head, proof)
        except TimeoutError:
            detail = f"no whole answer within {self._timeout:g} s"
            return _blame(Failed(Kind.TIMEOUT, detail), proxy)
        except NoAnswer as error:
            return _blame(error.failed, proxy)
        except Exception as error:  # the outer edge of a request: whatever a library lets out
            log.exception("a request to %s ended badly", urlsplit(url).hostname)
            return _blame(Failed(Kind.PROTOCOL, type(error).__name__), proxy)

    async def __aenter__(self) -> Self:
        self._engine = engine_of(self._definition)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._engine.close()

    async def _get(self, url: str, proxy: Proxy | None, head: int, proof: Proof | None) -> Answer:
        lines = proof.lines if proof else []
        may_be_unchanged = bool(lines)
        if cookie := self._cookies.for_request(url, proxy):
            lines.append(("Cookie", cookie))
        began = self._clock.monotonic()
        async with self._engine.exchange(
            Asked(url, lines, head or self._judge.most_bytes), proxy
        ) as reply:
            # How quick a proxy is says nothing about the site.
            latency = None if proxy else self._clock.monotonic() - began
            self._cookies.heard(url, proxy, reply.headers.getall("Set-Cookie", ()))
            if proof and may_be_unchanged and reply.status == NOT_MODIFIED:
                return Unchanged(reply.status, *proof, latency=latency)
            proxied = proxy is not None and proxy.scheme == "http" and url.startswith("http:")
            answer = await self._judge.judge(reply, url, head, proxied=proxied)
            return replace(answer, latency=latency)


def _blame(failed: Failed, proxy: Proxy | None) -> Failed:
    """Without an answer nobody knows whether site or proxy failed: the proxy is changed, then."""
    if proxy is None or failed.kind in (Kind.PROXY, Kind.FORBIDDEN):
        return failed
    return Failed(Kind.PROXY, f"{failed.kind}: {failed.detail}", doubt=failed.kind)
