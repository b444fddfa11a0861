"""The bound of any gateway of one process in Python: bytes from clients to upstreams and back, unread.

`python -m tests.bench.proxies_gateway_relay PORT UPSTREAM…`; each client has one upstream, in turn.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from tests.bench.proxies_gateway_zoo import quick


class Side(asyncio.Protocol):
    """One of two connections; what comes before there is another one waits."""

    def __init__(self, other: Side | None = None) -> None:
        self.other = other
        self.waiting: list[bytes] = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's are of another class
        if self.other is not None:
            self.other.other = self
            for data in self.other.waiting:
                self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.waiting.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.other is not None:
            self.other.transport.close()


class Client(Side):
    """A client, for whom an upstream is connected to."""

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        loop.create_task(loop.create_connection(lambda: Side(self), "127.0.0.1", self._upstream))  # noqa: RUF006


async def main() -> None:
    port, *upstreams = map(int, sys.argv[1:])
    turn = itertools.cycle(upstreams)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(next(turn)), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    quick()
    asyncio.run(main())
