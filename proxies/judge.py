"""A judge of our own: it tells whoever asks how the request arrived.

`python -m proxies.judge --port N [--host H]` prints `{"host", "port", "url"}` and serves

- `GET /?nonce=X` (and `/get`): `{"nonce", "ip", "headers", "page_sha256"}`;
- `GET /page`: a fixed HTML page with that digest: a proxy that alters pages is found out by it.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import sys

from aiohttp import web

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


async def serve(host: str, port: int) -> None:
    """Say where it listens, and serve until SIGTERM or SIGINT."""
    runner = web.AppRunner(application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    facts = {"host": host, "port": bound, "url": f"http://{shown}:{bound}/"}
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m proxies.judge", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free one")
    options = parser.parse_args()
    asyncio.run(serve(options.host, options.port))


if __name__ == "__main__":
    main()
