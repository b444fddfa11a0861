"""Clients of a gateway, each of which asks for the next page when it has one.

`python -m tests.bench.proxies_gateway_load PORT CLIENTS REQUESTS SECONDS KEEP` says as one line of JSON
how many got their page whole (`ok`), what others got, how long each took (ms), and pages a second. It ends
after REQUESTS or SECONDS, whichever is first; without KEEP every request has a connection of its own.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections import Counter

from tests.bench.proxies_gateway_zoo import BODY, quick

GIVEN_UP_S = 20.0
REQUEST = (
    b"GET http://shop.test/page HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: bench/1\r\n"
    b"Accept: */*\r\nAccept-Encoding: gzip, deflate\r\n%s\r\n"
)


class Client(asyncio.Protocol):
    """One connection; `done` hears what each request came to."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._began = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # uvloop's are of another class
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._timer = asyncio.get_running_loop().call_later(GIVEN_UP_S, self._end, "no answer")
        self._transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self._buffer[:head].lower()
        place = lower.find(b"content-length: ")
        size = int(lower[place + 16 :].split(b"\r\n", 1)[0]) if place >= 0 else len(BODY)
        if len(self._buffer) - head - 4 < size:
            return
        whole = self._buffer[:12] in (b"HTTP/1.1 200", b"HTTP/1.0 200")
        told = "ok" if whole and self._buffer.endswith(BODY) else self._buffer[9:12].decode()
        closes = not self._load.keep or b"\r\nconnection: close" in lower
        self._buffer = b""
        if closes:
            self._end(told)
        elif self._load.note(told, self._began):
            assert self._timer
            self._timer.cancel()
            self._load.begin()
            self._ask()
        else:
            self._end("")

    def _end(self, told: str) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
            if told:
                self._load.note(told, self._began)
            self._load.start()
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._timer:
            self._end(f"closed after {len(self._buffer)} bytes" if self._buffer else "closed")


class Load:
    """The whole of it."""

    def __init__(self, port: int, requests: int, *, keep: bool) -> None:
        self.keep = keep
        self.request = REQUEST % (b"" if keep else b"Connection: close\r\n")
        self.told: Counter[str] = Counter()
        self.times: list[float] = []
        self.over = asyncio.Event()
        self._port = port
        self._left = requests
        self._open = 0

    def begin(self) -> None:
        """Another request is made."""
        self._left -= 1
        self._open += 1

    def note(self, told: str, began: float) -> bool:
        """One is over; tell whether there is another one to make."""
        self.told[told] += 1
        self.times.append((time.perf_counter() - began) * 1000)
        self._open -= 1
        if self._left <= 0 and not self._open:
            self.over.set()
        return self._left > 0

    def start(self) -> None:
        if self._left > 0 and not self.over.is_set():
            self.begin()
            loop = asyncio.get_running_loop()
            loop.create_task(loop.create_connection(lambda: Client(self), "127.0.0.1", self._port))  # noqa: RUF006


async def main() -> None:
    port, clients, requests, seconds, keep = sys.argv[1:]
    load = Load(int(port), int(requests), keep=bool(int(keep)))
    began = time.perf_counter()
    for _ in range(int(clients)):
        load.start()
    try:
        async with asyncio.timeout(float(seconds)):
            await load.over.wait()
    except TimeoutError:
        load.over.set()
    took = time.perf_counter() - began
    cuts = statistics.quantiles(load.times, n=100) if len(load.times) > 1 else [0.0] * 99
    facts = {
        "requests": load.told.total(),
        "ok": load.told["ok"],
        "told": load.told.most_common(6),
        "p50": cuts[49],
        "p95": cuts[94],
        "p99": cuts[98],
        "most": max(load.times, default=0.0),
        "rate": load.told["ok"] / took,
    }
    sys.stdout.write(json.dumps(facts) + "\n")


if __name__ == "__main__":
    quick()
    asyncio.run(main())
