"""Upstreams for the gateway's bench, in one process: 10 good ones, and one of each bad kind.

`python -m tests.bench.proxies_gateway_zoo` says their ports as a line of JSON: `{"good": […], "bad": {…}}`.
Good ones answer a GET themselves with 1 KB. Bad ones refuse (nobody listens), hang, answer 502, cut their
answer in the middle, are slow (2 s), send no HTTP, want a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import Callable
from importlib import import_module

GOOD = 10
SLOW_S = 2.0
BODY = b"x" * 1000
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Upstream(asyncio.Protocol):
    """Answers every head with `answer`; `cut` closes behind it."""

    def __init__(self, answer: bytes, delay: float = 0.0, *, cut: bool = False) -> None:
        self._answer = answer
        self._delay = delay
        self._cut = cut
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are of another class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            self._buffer = self._buffer[end + 4 :]
            if self._delay:
                asyncio.get_running_loop().call_later(self._delay, self._say)
            else:
                self._say()

    def _say(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._answer)
            if self._cut:
                self._transport.close()


BAD: dict[str, Callable[[], Upstream]] = {
    "hangs": lambda: Upstream(b"", 3600.0),
    "502": lambda: Upstream(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
    "cuts": lambda: Upstream(OK[:600], cut=True),
    "slow": lambda: Upstream(OK, SLOW_S),
    "garbage": lambda: Upstream(b"220 smtp.example.org ESMTP\r\n", cut=True),
    "407": lambda: Upstream(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"),
}


async def main() -> None:
    loop = asyncio.get_running_loop()

    async def listen(kind: Callable[[], Upstream]) -> int:
        server = await loop.create_server(kind, "127.0.0.1", 0, backlog=1024)
        return int(server.sockets[0].getsockname()[1])

    good = [await listen(lambda: Upstream(OK)) for _ in range(GOOD)]
    bad = {name: await listen(kind) for name, kind in BAD.items()}
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        bad["refuses"] = nobody.getsockname()[1]
        sys.stdout.write(json.dumps({"good": good, "bad": bad}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def quick() -> None:
    """The quicker loop where it is there: what measures must cost less than what is measured."""
    with contextlib.suppress(ImportError):
        import_module("uvloop").install()


if __name__ == "__main__":
    quick()
    asyncio.run(main())
