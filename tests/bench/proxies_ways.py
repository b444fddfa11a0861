"""One question and its answer over a new connection, in the ways that there are: what each costs.

`python -m tests.bench.proxies_ways` is a process that is told over stdin, as `proxies_sweeper` is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from proxies import loop
from proxies.check import wire
from proxies.check.line import Line
from proxies.check.lines import Lines
from proxies.check.wire import Page
from tests.bench.driver import drive

#: Conversations at once, and until when each must be over, in seconds.
WIDTH, TIMEOUT_S = 500, 5.0

Address = tuple[str, int]
Way = Callable[[Address], Awaitable[int]]


async def streams(address: Address, page: Page) -> int:
    """asyncio's streams."""
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(page.request("abc"))
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return len(await reader.readexactly(size))
        finally:
            writer.transport.abort()


class Whole(asyncio.Protocol):
    """All that is said until the other side hangs up."""

    def __init__(self, request: bytes, said: asyncio.Future[bytes]) -> None:
        self.request, self.said, self.heard = request, said, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self.request)

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, _: Exception | None) -> None:
        if not self.said.done():
            self.said.set_result(self.heard)


async def protocols(address: Address, page: Page) -> int:
    """asyncio's protocols."""
    running = asyncio.get_running_loop()
    said: asyncio.Future[bytes] = running.create_future()
    async with asyncio.timeout(TIMEOUT_S):
        await running.create_connection(lambda: Whole(page.request("abc"), said), *address)
        return len((await said).partition(b"\r\n\r\n")[2])


async def ours(lines: Lines, address: Address, page: Page) -> int:
    response = await lines.talk(address, lines.time() + TIMEOUT_S, _ask, page)
    return len(response.body)


async def _ask(line: Line, page: Page) -> wire.Response:
    await line.send(page.request("abc"))
    return await wire.read(line)


async def all_of_them(way: str, addresses: list[Address], url: str) -> int:
    page, left, bodies = Page.of(url), iter(addresses), 0
    with Lines() as lines:
        ways: dict[str, Way] = {
            "ours": lambda address: ours(lines, address, page),
            "streams": lambda address: streams(address, page),
            "protocols": lambda address: protocols(address, page),
        }

        async def work() -> None:
            nonlocal bodies
            for address in left:
                heard = await ways[way](address)
                bodies += heard > 0

        await asyncio.gather(*(work() for _ in range(WIDTH)))
    return bodies


class Ways:
    """The verbs."""

    def converse(
        self, way: str, addresses: list[Any], url: str, *, own_loop: bool
    ) -> dict[str, float]:
        """Have a conversation with each, over asyncio's own loop or over uvloop."""
        pairs = [(host, int(port)) for host, port in addresses]
        cpu, began = time.process_time(), time.perf_counter()
        done = (asyncio.run if own_loop else loop.run)(all_of_them(way, pairs, url))
        assert done == len(addresses)
        each = 1e6 / len(addresses)
        return {
            "cpu_us": each * (time.process_time() - cpu),
            "us": each * (time.perf_counter() - began),
        }


if __name__ == "__main__":
    drive(Ways())
