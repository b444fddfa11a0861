"""Proxies as cheap as they can be, in one process: who uses them is measured, not they.

`python -m tests.bench.sites_relay COUNT` says the ports of so many that speak HTTP, and as many that speak
SOCKS5, as a line of JSON; each leaves from an address of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlsplit

from proxies import loop

NO_LOGIN, GRANTED = b"\x05\x00", b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00"
#: Kinds of addresses in SOCKS5 (RFC 1928).
IPV4, NAME = 1, 3


class Relay(asyncio.Protocol):
    """One client, with a connection to the site it asked for first; `address` is what it leaves from."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._buffer = b""
        self._site: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._site is not None:
            self._site.close()

    def connect(self, host: str, port: int) -> None:
        """Connect to the site, then go on with what has come from the client meanwhile."""
        self._connecting = asyncio.create_task(self._connect(host, port))

    async def _connect(self, host: str, port: int) -> None:
        here = asyncio.get_running_loop()
        leaves = (self._address, 0)
        try:
            made = await here.create_connection(lambda: Back(self), host, port, local_addr=leaves)
        except OSError:
            self.transport.close()
            return
        self._site = made[0]
        self.connected()

    def connected(self) -> None:
        raise NotImplementedError


class Back(asyncio.Protocol):
    """The site's side: what it says goes to the client."""

    def __init__(self, client: Relay) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._client.transport.close()


class Http(Relay):
    """`GET http://host/path` becomes `GET /path`; a client asks one site on one connection."""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._site is not None:
            self._forward()
        elif self._connecting is None and b"\r\n\r\n" in self._buffer:
            parts = urlsplit(self._buffer.split(b" ", 2)[1].decode())
            self.connect(parts.hostname or "", parts.port or 80)

    def connected(self) -> None:
        self._forward()

    def _forward(self) -> None:
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
            verb, url, rest = head.split(b" ", 2)
            path = b"/" + url.split(b"/", 3)[3]
            assert self._site
            self._site.write(b" ".join((verb, path, rest)))


class Socks(Relay):
    """SOCKS5 without a password."""

    _greeted = False

    def data_received(self, data: bytes) -> None:
        if self._site is not None:
            self._site.write(data)
            return
        self._buffer += data
        if not self._greeted and len(self._buffer) >= 2 + self._buffer[1]:
            self._buffer = self._buffer[2 + self._buffer[1] :]
            self._greeted = True
            self.transport.write(NO_LOGIN)
        if self._greeted and self._connecting is None and len(self._buffer) > 4:
            self._ask()

    def _ask(self) -> None:
        kind, length = self._buffer[3], self._buffer[4]
        if kind == IPV4 and len(self._buffer) >= 10:
            host, end = socket.inet_ntoa(self._buffer[4:8]), 8
        elif kind == NAME and len(self._buffer) >= 7 + length:
            host, end = self._buffer[5 : 5 + length].decode(), 5 + length
        else:
            return
        port = int.from_bytes(self._buffer[end : end + 2])
        self._buffer = self._buffer[end + 2 :]
        self.connect(host, port)

    def connected(self) -> None:
        assert self._site
        self.transport.write(GRANTED)
        if self._buffer:
            self._site.write(self._buffer)


@contextlib.contextmanager
def relays(count: int) -> Iterator[tuple[list[int], list[int]]]:
    """Ports of so many that speak HTTP, and of those that speak SOCKS5."""
    command = [sys.executable, "-m", "tests.bench.sites_relay", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            told = json.loads(process.stdout.readline())
            yield told["http"], told["socks5"]
        finally:
            process.terminate()


async def main(count: int) -> None:
    here = asyncio.get_running_loop()
    ports: dict[str, list[int]] = {"http": [], "socks5": []}
    servers = []
    for number in range(1, count + 1):
        for name, kind in (("http", Http), ("socks5", Socks)):
            address = f"127.0.{number}.2" if kind is Http else f"127.0.{number}.3"
            made = await here.create_server(
                lambda kind=kind, address=address: kind(address),  # type: ignore[misc]
                "127.0.0.1",
                0,
                backlog=512,
            )
            servers.append(made)
            ports[name].append(made.sockets[0].getsockname()[1])
    sys.stdout.write(f"{json.dumps(ports)}\n")
    sys.stdout.flush()
    await asyncio.gather(*(each.serve_forever() for each in servers))


if __name__ == "__main__":
    loop.run(main(int(sys.argv[1])))
