"""A site that may answer in any way, on loopback: bytes as they are, from an event loop in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple, Self

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset


class Hit(NamedTuple):
    """A request as the site saw it; `before`: how often the path was asked for until then."""

    at: float
    path: str
    before: int
    headers: Mapping[str, str]


class Wire:
    """The connection that a request came by."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.open = True

    async def say(
        self, body: bytes | str = b"", status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """An answer by the book, unless `headers` say otherwise ("": leave it out)."""
        raw = body.encode() if isinstance(body, str) else body
        said = {"Content-Type": "text/html", "Content-Length": str(len(raw)), **(headers or {})}
        lines = "".join(f"{name}: {value}\r\n" for name, value in said.items() if value)
        await self.raw(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1") + raw)

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def pour(self, chunks: Iterable[bytes], headers: str = "") -> None:
        """A body in chunks, and then no more."""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{headers}"
        await self.raw(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        for chunk in chunks:
            await self.raw(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        await self.raw(b"0\r\n\r\n")

    async def hang(self, seconds: float) -> None:
        """Say nothing for so long, and then nothing either."""
        await asyncio.sleep(seconds)
        self.close()

    def close(self) -> None:
        self.open = False
        self._writer.close()

    def reset(self) -> None:
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.close()


Page = Callable[[Hit, Wire], Awaitable[None]]


async def missing(_hit: Hit, wire: Wire) -> None:
    await wire.say("not here", 404)


class Hostile:
    """Pages by path, else what `page_of` finds; the query belongs to the path."""

    def __init__(
        self,
        pages: Mapping[str, Page] | None = None,
        page_of: Callable[[str], Page] = lambda _: missing,
        host: str = "127.0.0.1",
    ) -> None:
        self.pages = dict(pages or {})
        self.hits: list[Hit] = []
        self._page_of = page_of
        self._asked: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._sock = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
        self.port = int(self._sock.getsockname()[1])
        self.host = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self._clients: set[asyncio.Task[None]] = set()

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}{path}"

    def asked(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(hit.path for hit in [*self.hits])

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._client, sock=self._sock)

    async def _close(self) -> None:
        self._server.close()
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._clients.add(task)
        wire = Wire(writer)
        try:
            # Cancelled by ourselves: the stream would tell everybody of it.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while wire.open:
                    await self._answer(await reader.readuntil(b"\r\n\r\n"), wire)
        finally:
            self._clients.discard(task)
            writer.close()

    async def _answer(self, head: bytes, wire: Wire) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        path = first.split(" ")[1]
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        hit = Hit(time.monotonic(), path, self._asked[path], headers)
        self._asked[path] += 1
        self.hits.append(hit)
        page = self.pages.get(path) or self._page_of(path)
        await page(hit, wire)


def says(body: bytes | str = b"", status: int = 200, **headers: str) -> Page:
    """The same answer each time; `Retry_After="1"` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def page(_hit: Hit, wire: Wire) -> None:
        await wire.say(body, status, named)

    return page


def sends(raw: bytes, *, close: bool = True) -> Page:
    """These bytes, and nothing else."""

    async def page(_hit: Hit, wire: Wire) -> None:
        await wire.raw(raw)
        if close:
            wire.close()

    return page


def hangs(seconds: float) -> Page:
    async def page(_hit: Hit, wire: Wire) -> None:
        await wire.hang(seconds)

    return page


async def resets(_hit: Hit, wire: Wire) -> None:
    wire.reset()


def first(early: Page, page: Page, times: int = 1) -> Page:
    """Answer as `early` does the first times, and then as `page` does."""

    async def both(hit: Hit, wire: Wire) -> None:
        await (early if hit.before < times else page)(hit, wire)

    return both
