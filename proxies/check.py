"""The check: a real request through the proxy to a judge, within one deadline for all of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy as Tunnel

from proxies import answer, wire
from proxies.answer import Baseline, WrongAnswer
from proxies.model import Proxy, Verdict
from proxies.wire import LARGEST_HEAD, WireError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from urllib.parse import SplitResult

    from proxies.answer import Answer
    from proxies.wire import Response

_TUNNELS = {
    "http": ProxyType.HTTP,
    "https": ProxyType.HTTP,
    "socks4": ProxyType.SOCKS4,
    "socks5": ProxyType.SOCKS5,
}
_OK = 200
_CREDENTIALS_REFUSED = 407
_FAMILIES = (socket.AF_INET, socket.AF_INET6)

#: What a proxy, or a judge, may do to a check without it being our mistake.
FAILURES = (OSError, ProxyError, WireError, WrongAnswer, ValueError)


class JudgeUnavailable(Exception):
    """The judge does not answer us directly, so it can say nothing about any proxy."""


@dataclass(frozen=True, slots=True)
class Judge:
    """A judge that has just answered us directly, and what it saw of us."""

    url: SplitResult
    baseline: Baseline


async def ask(url: str, seconds: float) -> Judge:
    """Ask the judge at `url` directly, over each family of addresses that we have, for `seconds`.

    Raises:
        JudgeUnavailable: no true answer over any of them.
    """
    parts = urlsplit(url)
    found = await asyncio.gather(
        *(_ask_over(parts, family, seconds) for family in _FAMILIES), return_exceptions=True
    )
    answers: list[Answer] = []
    for result in found:
        if isinstance(result, BaseException):
            if not isinstance(result, FAILURES):
                raise result
        else:
            answers.append(result)
    if not answers:
        raise JudgeUnavailable(f"{url}: {reason_of(found[0])}")
    return Judge(parts, Baseline.of(answers))


async def _ask_over(url: SplitResult, family: socket.AddressFamily, seconds: float) -> Answer:
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(
            url.hostname,
            wire.port_of(url),
            family=family,
            ssl=_tls(url),
            limit=LARGEST_HEAD,
        )
        try:
            question, nonce = _question(url)
            writer.write(wire.request(question))
            return _answer(await wire.read(reader), nonce)
        finally:
            writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Check:
    """Checks one proxy at a time; any number of them may run at once.

    `timeout` is the total for one proxy; `now` tells the time for the record.
    """

    judge: Judge
    timeout: float
    now: Callable[[], float]

    async def run(self, proxy: Proxy) -> Verdict:
        """Ask the judge through `proxy`; whatever the proxy does ends in a verdict."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            async with asyncio.timeout(self.timeout):
                seen = await self._ask(proxy)
                latency = loop.time() - started
                await self._see_page(proxy)
        except FAILURES as error:
            return Verdict(proxy, self.now(), reason_of(error))
        return Verdict(
            proxy,
            self.now(),
            anonymity=answer.anonymity(seen, self.judge.baseline),
            exit_ip=seen.exit_ip,
            latency_ms=round(latency * 1000),
        )

    async def _ask(self, proxy: Proxy) -> Answer:
        question, nonce = _question(self.judge.url)
        return _answer(await self._get(proxy, question), nonce)

    async def _see_page(self, proxy: Proxy) -> None:
        """Fetch the judge's page, where it has one, and see that nobody changed it."""
        promised = self.judge.baseline.page_sha256
        if not promised:
            return
        response = await self._get(proxy, self.judge.url._replace(path="/page", query=""))
        _require_ok(response)
        if hashlib.sha256(response.body).hexdigest() != promised:
            raise WrongAnswer("alters pages")

    async def _get(self, proxy: Proxy, url: SplitResult) -> Response:
        async with _streams(proxy, url) as (reader, writer):
            plain = proxy.scheme == "http" and url.scheme == "http"
            writer.write(wire.request(url, via=proxy if plain else None))
            return await wire.read(reader)


@asynccontextmanager
async def _streams(
    proxy: Proxy, url: SplitResult
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open streams to the proxy itself for plain HTTP, else to the judge through a tunnel."""
    if proxy.scheme == "http" and url.scheme == "http":
        opening = asyncio.open_connection(proxy.host, proxy.port, limit=LARGEST_HEAD)
    else:
        tls = _tls(url)
        opening = asyncio.open_connection(
            sock=await _tunnel(proxy, url),
            ssl=tls,
            server_hostname=url.hostname if tls else None,
            limit=LARGEST_HEAD,
        )
    reader, writer = await opening
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _tunnel(proxy: Proxy, url: SplitResult) -> socket.socket:
    tunnel = Tunnel(
        _TUNNELS[proxy.scheme],
        proxy.host,
        proxy.port,
        proxy.username or None,
        proxy.password if proxy.username else None,
        loop=asyncio.get_running_loop(),
    )
    return await tunnel.connect(url.hostname or "", wire.port_of(url))


def reason_of(error: object) -> str:
    """Say in a few words, that a hostile proxy has no part in, why a check failed."""
    if isinstance(error, WireError | WrongAnswer):
        return str(error)
    if isinstance(error, ProxyError):
        return _refusal(error.error_code)
    if isinstance(error, OSError):
        return _trouble(error)
    return "not a proxy of this kind"


def _trouble(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return "TLS failed"
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "unreachable"


def _refusal(code: int | None) -> str:
    if code == _CREDENTIALS_REFUSED:
        return "credentials refused"
    return f"tunnel refused ({code})" if code else "tunnel refused"


def _question(judge: SplitResult) -> tuple[SplitResult, str]:
    """The judge's URL with a nonce that no cache has seen."""
    nonce = uuid.uuid4().hex
    query = f"{judge.query}&" if judge.query else ""
    return judge._replace(query=f"{query}nonce={quote(nonce)}"), nonce


def _answer(response: Response, nonce: str) -> Answer:
    _require_ok(response)
    return answer.read(response.body, nonce)


def _require_ok(response: Response) -> None:
    if response.status == _CREDENTIALS_REFUSED:
        raise WrongAnswer("credentials refused")
    if response.status != _OK:
        raise WrongAnswer(f"answered {response.status}")


def _tls(url: SplitResult) -> ssl.SSLContext | None:
    return _trusting_context() if url.scheme == "https" else None


@cache
def _trusting_context() -> ssl.SSLContext:
    """One context a process: it verifies certificates, and is dear to make."""
    return ssl.create_default_context()
