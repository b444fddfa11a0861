"""Local proxies of every kind and two judges, in one thread: what lists on the internet are made of."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import resource
import socket
import ssl
import tempfile
import threading
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from aiohttp import web

from proxies.check import judge
from proxies.model import Proxy
from tests.support.ports import free_port
from tests.support.zoo_animal import Animal, Handler, World
from tests.support.zoo_certificates import Certificates
from tests.support.zoo_kinds import KINDS, MORE, Kind

T = TypeVar("T")


@dataclass(frozen=True)
class Resident:
    """A proxy of the zoo with the truth about it."""

    name: str
    kind: Kind
    proxy: Proxy
    animal: Animal


class Zoo:
    """`add(kind)` starts a proxy and returns its address; the judges are at `judge` and `judge_tls`.

    Each listens on an address of its own in 127.0.0.0/8 and, where it is a good one, leaves from it, so
    that the judge can tell it from us. Hundreds cost next to nothing.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._numbers = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runners: dict[str, web.AppRunner] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="zoo-")
        self.certificates = Certificates(Path(self._folder.name))
        self.residents: dict[str, Resident] = {}
        self.animals: dict[str, Animal] = {}
        self.judge = self.judge_tls = ""
        self.asked: list[str] = []
        self.judge_delay = 0.0
        self.judge_away = False  #: whoever asks waits until it is back
        self.most_open = 0
        self._world = World(0, self.certificates.rogue, self.certificates.misnamed)

    def __enter__(self) -> Self:
        self._thread.start()
        self.open_judge()
        self.open_judge_tls()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    @property
    def ca(self) -> str:
        """The file with the authority that the HTTPS judge's certificate is from."""
        return str(self.certificates.ca)

    def add(
        self, name: str, *, username: str = "", password: str = "", delay: float | None = None
    ) -> Proxy:
        return self._do(self._add(name, (username, password), delay))

    def many(self, name: str, count: int) -> list[Proxy]:
        return self._do(self._many([name] * count))

    def all(self, names: Iterable[str] = KINDS) -> list[Proxy]:
        """One of each kind."""
        return self._do(self._many(names))

    def open_judge(self, port: int = 0) -> str:
        port = self._do(self._open_judge("http", port))
        self.judge = f"http://127.0.0.1:{port}/"
        return self.judge

    def open_judge_tls(self, port: int = 0) -> str:
        self._world.judge_tls_port = self._do(self._open_judge("https", port))
        self.judge_tls = f"https://127.0.0.1:{self._world.judge_tls_port}/"
        return self.judge_tls

    def close_judge(self, scheme: str = "http") -> None:
        if runner := self._runners.pop(scheme, None):
            self._do(runner.cleanup())

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _many(self, names: Iterable[str]) -> list[Proxy]:
        return [await self._add(name, ("", ""), None) for name in names]

    async def _add(self, name: str, told: tuple[str, str], delay: float | None) -> Proxy:
        kind = (KINDS | MORE)[name]
        number = next(self._numbers)
        address = f"127.{77 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"
        wants, given = (told, told) if told[0] else (kind.wants, kind.given)
        animal = Animal(
            address if kind.own_address else "",
            *wants,
            delay=kind.delay if delay is None else delay,
            world=self._world,
        )
        listens = kind.listens or address
        if kind.handler:
            port = await self._open(animal, kind.handler, listens)
        else:
            port = self._open_silent(name, listens)
        proxy = Proxy(kind.scheme, listens, port, *given)
        self.residents[proxy.key] = Resident(name, kind, proxy, animal)
        self.animals[proxy.key] = animal
        return proxy

    async def _open(self, animal: Animal, handler: Handler, address: str) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self._tasks.add(task)
            animal.connections += 1
            self.most_open = max(self.most_open, len(self._tasks))
            try:
                await handler(animal, reader, writer)
            except (OSError, EOFError, ValueError, AssertionError, asyncio.LimitOverrunError):
                pass  # a client that goes away, or speaks something else, is nothing special
            except asyncio.CancelledError:
                pass  # the zoo closes
            finally:
                self._tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, address, 0, backlog=1024)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def _open_silent(self, name: str, address: str) -> int:
        """What costs nothing: a port that is closed, that takes no SYN, or that only takes them."""
        silent = socket.socket()
        self._sockets.append(silent)
        silent.bind((address, 0))
        if name.startswith("black_hole"):
            silent.listen(1024)
        elif name == "syn_drop":
            silent.listen(0)
            _fill(silent, self._sockets)
        return int(silent.getsockname()[1])

    async def _open_judge(self, scheme: str, port: int) -> int:
        @web.middleware
        async def note(request: web.Request, handler: Any) -> web.StreamResponse:
            self.asked.append(request.path)
            await asyncio.sleep(self.judge_delay)
            while self.judge_away:  # noqa: ASYNC110 (set by another thread)
                await asyncio.sleep(0.01)
            given: web.StreamResponse = await handler(request)
            return given

        app = judge.application()
        app.middlewares.append(note)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        tls = self.certificates.judge if scheme == "https" else None
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls, backlog=1024).start()
        self._runners[scheme] = runner
        return int(runner.addresses[0][1])

    async def _close(self) -> None:
        for runner in self._runners.values():
            await runner.cleanup()
        for server in self._servers:
            server.close()
        for held in self._sockets:
            held.close()
        for task in list(self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _fill(listener: socket.socket, held: list[socket.socket]) -> None:
    """Take the only place in its queue: Linux drops every SYN from then on."""
    for _ in range(2):
        client = socket.socket()
        client.setblocking(False)
        held.append(client)
        with contextlib.suppress(BlockingIOError):
            client.connect(listener.getsockname())


def closed_port() -> Proxy:
    """A proxy that is not there."""
    return Proxy("http", "127.0.0.1", free_port())


def open_files(most: int = 65_536) -> None:
    """Let this process have as many as it may, for zoos of thousands."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def trusting(zoo: Zoo) -> ssl.SSLContext:
    """What a client needs that trusts the zoo's authority alone."""
    return ssl.create_default_context(cafile=zoo.ca)
