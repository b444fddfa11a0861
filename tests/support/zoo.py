"""Local proxies of every kind and a judge, in one thread: what lists on the internet are made of."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import threading
from collections.abc import Coroutine
from typing import Any, Self, TypeVar

from aiohttp import web

from proxies import judge
from proxies.model import Proxy
from tests.support.zoo_kinds import KINDS, Animal, Handler

T = TypeVar("T")


class Zoo:
    """`add(kind)` starts a proxy and returns its address; the judge is at `judge`.

    Each good one leaves from an address of its own in 127.0.0.0/8, so that the judge can tell it
    from us.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._numbers = itertools.count(2)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None
        self.animals: dict[str, Animal] = {}
        self.judge = ""
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        self.open_judge()
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(
        self, kind: str, *, username: str = "", password: str = "", delay: float = 0.0
    ) -> Proxy:
        scheme, handler, own_address = KINDS[kind]
        leave_from = f"127.77.{next(self._numbers) // 250}.{next(self._numbers) % 250 + 1}"
        animal = Animal(leave_from if own_address else "", username, password, delay=delay)
        port = self._do(self._open(animal, handler))
        proxy = Proxy(scheme, "127.0.0.1", port, username, password)
        self.animals[proxy.key] = animal
        return proxy

    def many(self, kind: str, count: int) -> list[Proxy]:
        return [self.add(kind) for _ in range(count)]

    def open_judge(self, port: int = 0) -> str:
        self._do(self._open_judge(port))
        return self.judge

    def close_judge(self) -> None:
        if self._runner:
            self._do(self._runner.cleanup())
            self._runner = None

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self, animal: Animal, handler: Handler) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task
            self._tasks.add(task)
            animal.connections += 1
            try:
                await handler(animal, reader, writer)
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass  # a client that goes away is nothing special for a proxy
            finally:
                self._tasks.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _open_judge(self, port: int) -> None:
        @web.middleware
        async def note(request: web.Request, handler: Any) -> web.StreamResponse:
            self.asked.append(request.path)
            answer: web.StreamResponse = await handler(request)
            return answer

        app = judge.application()
        app.middlewares.append(note)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.judge = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def _close(self) -> None:
        if self._runner:
            await self._runner.cleanup()
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


def closed_port() -> Proxy:
    """A proxy that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Proxy("http", "127.0.0.1", probe.getsockname()[1])
