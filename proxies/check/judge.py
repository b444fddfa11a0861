"""A judge of our own: it tells whoever asks how the request arrived, over HTTP and over HTTPS.

`orch proxies judge` (and `python -m proxies.check.judge`, which says where in JSON) serves

- `GET /?nonce=X` (and `/get`): `{"nonce", "ip", "headers", "page_sha256"}`;
- `GET /page`: a fixed HTML page with that digest: a proxy that alters pages is found out by it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import ssl
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from orchestrator.core.errors import ConfigError, PortTaken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PAGE = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>A page that never changes</title></head>
<body>
<h1>A page that never changes</h1>
<p>It has a head, a body, a <a href="/">link</a>, a form and a picture, as pages do, so that
somebody who adds to pages, or rewrites them, finds the places.</p>
<form action="/" method="get"><input name="nonce" value="page"></form>
<img src="/picture" alt="">
<script>"use strict";</script>
</body>
</html>
"""
PAGE_SHA256 = hashlib.sha256(PAGE.encode()).hexdigest()

#: Nonces are short; longer ones are not echoed.
LONGEST_NONCE = 128
#: Whoever says nothing for so long is hung up on, in seconds.
_IDLE_S = 15.0
_HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Place:
    """Where a judge is to listen: port 0 takes any that is free, no HTTPS without a port for it."""

    host: str = "127.0.0.1"
    port: int = 0
    https_port: int | None = None
    cert: str = ""
    key: str = ""

    def tls(self) -> ssl.SSLContext | None:
        """Read the certificate; None without HTTPS.

        Raises:
            ConfigError: naming everything that is wrong with it.
        """
        if problems := self._problems():
            raise ConfigError(tuple(problems))
        if self.https_port is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.cert, self.key or None)
        except OSError as error:
            why = error.strerror if error.errno and not isinstance(error, ssl.SSLError) else ""
            told = f"--cert {self.cert}{f' or --key {self.key}' if self.key else ''}"
            reason = why or "no certificate with its private key, in PEM"
            raise ConfigError((f"{told}: {reason}",)) from error
        return context

    def _problems(self) -> list[str]:
        given = {"--port": self.port, "--https-port": self.https_port or 0}
        problems = [
            f"{name} {port}: must be from 0 to {_HIGHEST_PORT}"
            for name, port in given.items()
            if not 0 <= port <= _HIGHEST_PORT
        ]
        if self.https_port is not None and not self.cert:
            problems.append("--https-port needs --cert, and --key unless it is in the same file")
        if self.https_port is None and (self.cert or self.key):
            problems.append("--cert and --key need --https-port")
        return problems


async def answer(request: web.Request) -> web.Response:
    """Say how the request arrived."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    facts = {
        "nonce": request.query.get("nonce", "")[:LONGEST_NONCE],
        "ip": request.remote or "",
        "headers": headers,
        "page_sha256": PAGE_SHA256,
    }
    return web.json_response(facts, headers={"Cache-Control": "no-store"})


async def page(request: web.Request) -> web.Response:
    """Give the page, the same to everybody."""
    del request
    return web.Response(text=PAGE, content_type="text/html", headers={"Cache-Control": "no-store"})


def application() -> web.Application:
    """Build the web application."""
    app = web.Application(client_max_size=1024)
    app.add_routes([web.get("/", answer), web.get("/get", answer), web.get("/page", page)])
    return app


@asynccontextmanager
async def listening(place: Place) -> AsyncIterator[dict[str, str | int]]:
    """Serve for as long as the block lasts; its value says where: `{"host", "port", "url", …}`.

    Raises:
        ConfigError: the certificate is none.
        PortTaken: somebody else listens there, or we may not.
    """
    context = place.tls()
    runner = web.AppRunner(
        application(), access_log=None, shutdown_timeout=0.5, keepalive_timeout=_IDLE_S
    )
    await runner.setup()
    try:
        port = await _listen(runner, place.host, place.port, None)
        facts: dict[str, str | int] = {
            "host": place.host,
            "port": port,
            "url": _url("http", place.host, port),
        }
        if context and place.https_port is not None:
            secure = await _listen(runner, place.host, place.https_port, context)
            facts |= {"https_port": secure, "https_url": _url("https", place.host, secure)}
        yield facts
    finally:
        await runner.cleanup()


async def _listen(
    runner: web.AppRunner, host: str, port: int, context: ssl.SSLContext | None
) -> int:
    site = web.TCPSite(runner, host, port, ssl_context=context, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        why = error.strerror or str(error)
        raise PortTaken(f"{host}:{port}: {why}", hint="name another port or address") from error
    return int(runner.addresses[-1][1])


def _url(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"


async def serve(place: Place, tell: Callable[[dict[str, str | int]], None]) -> None:
    """Tell where it listens, and serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with listening(place) as facts:
        tell(facts)
        await ended.wait()


def run(place: Place, tell: Callable[[dict[str, str | int]], None]) -> None:
    """Serve in the foreground."""
    asyncio.run(serve(place, tell))


def _tell(facts: dict[str, str | int]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m proxies.check.judge", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    options = parser.parse_args()
    run(Place(options.host, options.port), _tell)


if __name__ == "__main__":
    main()
