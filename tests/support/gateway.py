"""A gateway in a thread, scripted upstreams for it, and clients that are bare sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from orchestrator.core.keys import Keys
from proxies.gateway.access import AccessLog
from proxies.gateway.api import Api
from proxies.gateway.choice import Standing
from proxies.gateway.leases import Leases
from proxies.gateway.news import News
from proxies.gateway.reading import Reading
from proxies.gateway.server import Server
from proxies.gateway.setup import Setup
from proxies.gateway.supply import PoolSupply
from proxies.gateway.tries import Pick
from proxies.gateway.upstreams import Upstreams
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool.ledger import Ledger
from proxies.pool.picker import Lease, Outcome, Picker
from proxies.pool.pool import PoolState, Record

T = TypeVar("T")
Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Handler = Callable[[Reader, Writer], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class GivenPicker:
    """The pool's picking, as far as the gateway sees it: by site and session, the first that may be."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.picked: list[tuple[str, str | None]] = []
        self.reported: list[tuple[str, str, Outcome]] = []
        self.banned: set[tuple[str, str]] = set()

    async def pick(
        self, site: str, session: str | None = None, *, avoid: Collection[str] = ()
    ) -> Lease | None:
        self.picked.append((site, session))
        for record in self.records:
            key = record.proxy.key
            if key not in avoid and (key, site) not in self.banned:
                return Lease(record.proxy, site, session, uuid.uuid4().hex)
        return None

    async def report(self, lease: Lease, outcome: Outcome, seconds: float | None = None) -> None:
        del seconds
        self.reported.append((lease.proxy.key, lease.site, outcome))
        if outcome is Outcome.BANNED:
            self.banned.add((lease.proxy.key, lease.site))


class Given(PoolSupply):
    """Upstreams that a test has named, in the place of a pool; all that was reported is kept."""

    def __init__(self, time: Callable[[], float]) -> None:
        self.country: dict[str, str] = {}
        self.records: list[Record] = []
        self.reported: list[tuple[str, Outcome]] = []
        self.picker = GivenPicker()
        nothing: Any = None  # Redis, which is never asked
        picker = cast("Picker", self.picker)
        self.news = News(nothing, Ledger(Keys(), 60.0), picker)
        super().__init__(
            Reading(nothing, Keys()),
            1e9,
            picker,
            self.news,
            lambda record: self.country.get(record.proxy.key, ""),
            time,
        )
        self.give([])

    def give(self, records: list[Record]) -> None:
        self.records = self.picker.records = records
        self.state = PoolState(tuple(records), 1, 0.0, "", 0.0)
        self.choice.update(records)

    def report(self, pick: Pick, outcome: Outcome, seconds: float | None = None) -> None:
        super().report(pick, outcome, seconds)
        self.reported.append((pick.standing.record.proxy.key, outcome))


class Upstream:
    """One scripted upstream: who connected, and what each sent."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.proxy: Proxy
        self.connections = 0
        self.open = 0
        self.heads: list[bytes] = []
        self.server: asyncio.Server | None = None


class Stage:
    """`upstream(handler)` makes one, `start()` the gateway; everything ends with the block."""

    def __init__(self, tmp: Path | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._upstreams: list[Upstream] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sockets: list[socket.socket] = []
        self._server: Server | None = None
        self.log = tmp / "access.log" if tmp else None
        self.supply = Given(self.loop.time)
        self.setup: Setup
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._sockets:
            one.close()
        self.do(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def upstream(
        self,
        handler: Handler,
        *,
        scheme: str = "http",
        username: str = "",
        password: str = "",
        latency_ms: int = 5,
        tls: bool | None = None,
        seconds: float = 0.0,
    ) -> Upstream:
        made = Upstream(handler)
        port = self.do(self._listen(made))
        made.proxy = Proxy(scheme, "127.0.0.1", port, username, password)
        self.add(made.proxy, latency_ms=latency_ms, tls=tls, seconds=seconds)
        self._upstreams.append(made)
        return made

    def add(
        self, proxy: Proxy, *, latency_ms: int = 5, tls: bool | None = None, seconds: float = 0.0
    ) -> None:
        """With `seconds` it is known to work, and to take so long."""
        verdict = Verdict(
            proxy,
            time.time(),
            anonymity=Anonymity.ELITE,
            exit_ip="127.7.7.7",
            latency_ms=latency_ms,
            tls=tls,
        )
        self.call(lambda: self.supply.give([*self.supply.records, Record(verdict)]))
        if seconds:
            self.call(lambda: self.standing(proxy).took(seconds))

    def standing(self, proxy: Proxy) -> Standing:
        return next(one for one in self.supply.choice.standings if one.record.proxy == proxy)

    def start(self, **settings: Any) -> Self:
        self.do(self._start(settings))
        return self

    def client(self, data: bytes = b"", timeout: float = 60.0) -> Talk:
        talk = connected(self.port, data, timeout)
        self._sockets.append(talk.sock)
        return talk

    def do(self, work: Coroutine[Any, Any, T], timeout: float = 30.0) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return self.do(run())

    @property
    def server(self) -> Server:
        assert self._server
        return self._server

    async def _start(self, settings: dict[str, Any]) -> None:
        streams: set[Any] = set()
        self.setup = Setup(
            self.loop,
            streams,
            Upstreams(self.loop, streams, settings.pop("connect_timeout", 20.0)),
            self.supply,
            AccessLog(self.log),
            Api(self.supply, Leases(self.loop, self.supply), settings.get("password", "")),
            **settings,
        )
        self._tasks.add(self.loop.create_task(self.supply.news.tell()))
        self._server = await Server(self.setup, "127.0.0.1", 0).__aenter__()
        self.port = self._server.port

    async def _listen(self, upstream: Upstream) -> int:
        async def serve(reader: Reader, writer: Writer) -> None:
            task = asyncio.current_task()
            assert task
            self._tasks.add(task)
            upstream.connections += 1
            upstream.open += 1
            try:
                await upstream.handler(reader, writer)
            except (OSError, asyncio.CancelledError):
                pass
            except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            finally:
                upstream.open -= 1
                self._tasks.discard(task)
                with contextlib.suppress(Exception):
                    writer.close()

        upstream.server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
        return int(upstream.server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        if self._server is not None:
            await self._server.__aexit__()
        for upstream in self._upstreams:
            if upstream.server is not None:
                upstream.server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def connected(port: int, data: bytes = b"", timeout: float = 60.0) -> Talk:
    """A client that has connected, and said `data`."""
    talk = Talk(socket.create_connection(("127.0.0.1", port), timeout=timeout))
    talk.send(data)
    return talk


class Talk:
    """A client's socket, and what has been read from it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until(self, mark: bytes) -> bytes:
        """Read up to and with `mark`."""
        while mark not in self.data:
            piece = self.sock.recv(65_536)
            if not piece:
                raise AssertionError(f"the end before {mark!r}: {self.data!r}")
            self.data += piece
        end = self.data.index(mark) + len(mark)
        found, self.data = self.data[:end], self.data[end:]
        return found

    def exactly(self, size: int) -> bytes:
        while len(self.data) < size:
            piece = self.sock.recv(65_536)
            if not piece:
                raise AssertionError(f"the end before {size} bytes: {self.data!r}")
            self.data += piece
        found, self.data = self.data[:size], self.data[size:]
        return found

    def rest(self) -> bytes:
        """All that comes until the other side closes."""
        pieces, self.data = [self.data], b""
        while piece := self.sock.recv(65_536):
            pieces.append(piece)
        return b"".join(pieces)

    def answer(self, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """One answer with a length; interim ones are left out."""
        while True:
            block = self.until(b"\r\n\r\n").decode("latin-1")
            first, *lines = block[:-4].split("\r\n")
            status = int(first.split(" ")[1])
            fields = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            if status >= 200:
                break
        if head or status in (204, 304):
            return status, fields, b""
        if "chunked" in fields.get("transfer-encoding", ""):
            return status, fields, self._chunks()
        if "content-length" in fields:
            return status, fields, self.exactly(int(fields["content-length"]))
        return status, fields, self.rest()

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.until(b"\r\n").partition(b";")[0], 16):
            body += self.exactly(size)
            self.exactly(2)
        while self.until(b"\r\n") != b"\r\n":
            pass
        return body

    def get(self, url: str, *lines: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        host = url.split("/")[2] if "://" in url else "127.0.0.1"
        head = "\r\n".join([f"{method} {url} HTTP/1.1", f"Host: {host}", *lines, "", ""])
        self.send(head.encode())
        return self.answer(head=method == "HEAD")

    def gone(self, timeout: float = 60.0) -> bool:
        """Whether the other side closes within `timeout`."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(65_536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


# What upstreams do.


def saying(*answers: bytes, then: bytes = b"") -> Handler:
    """Answer each request with the next of `answers`, the last one for ever."""

    async def handle(reader: Reader, writer: Writer) -> None:
        number = 0
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answers[min(number, len(answers) - 1)])
            await writer.drain()
            number += 1

    return handle


def noting(heads: list[bytes], answer: bytes = OK) -> Handler:
    """The same, and keep the heads that came."""

    async def handle(reader: Reader, writer: Writer) -> None:
        while True:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answer)
            await writer.drain()

    return handle


async def hanging(reader: Reader, writer: Writer) -> None:
    while await reader.read(65_536):
        pass


async def refusing(reader: Reader, writer: Writer) -> None:
    writer.transport.abort()


async def garbage(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 smtp.example.org ESMTP\r\n\r\n")
    await writer.drain()


def cutting(answer: bytes, size: int) -> Handler:
    """Send the first `size` bytes of an answer, and close."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer[:size])
        await writer.drain()

    return handle


def connecting(
    inside: Handler, granted: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
) -> Handler:
    """Grant a CONNECT; `inside` is what is at the other end of the tunnel."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(granted)
        await inside(reader, writer)

    return handle


async def echoing(reader: Reader, writer: Writer) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()
    writer.write_eof()
