"""Proxies by the ten thousand in one process, as cheap as they can be: the rest is for who checks them.

`python -m tests.bench.proxies_farm` says in JSON where everybody is, and ends with its stdin. A kind has
one port on every address of 127.0.0.0/8, so each address is another proxy, and leaves from it. The good
ones ask no judge: they answer as it would, over TLS too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from proxies import loop
from tests.support.zoo import open_files
from tests.support.zoo_animal import answer
from tests.support.zoo_certificates import Certificates

OWN = "127.0.0.1"
PAGE = b"<html><body><p>" + b"This never changes. " * 40 + b"</p></body></html>"
DIGEST = hashlib.sha256(PAGE).hexdigest()
GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_NONCE = re.compile(rb"nonce=([0-9a-f]+)")


def reply(request: bytes, seen: str) -> bytes:
    """What a judge says to somebody who comes from there."""
    if b"/page" in request[:60]:
        return answer("200 OK", PAGE, "Content-Type: text/html", "Connection: close")
    nonce = _NONCE.search(request)
    lines = request.decode("latin-1").split("\r\n")[1:]
    facts = {
        "nonce": nonce[1].decode() if nonce else "",
        "ip": seen,
        "headers": dict(line.split(": ", 1) for line in lines if ": " in line),
    }
    if b"/get?" not in request[:80]:  # as httpbin, whose address this is: no page to compare
        facts["page_sha256"] = DIGEST
    kind = "Content-Type: application/json; charset=utf-8"
    return answer("200 OK", json.dumps(facts).encode(), kind, "Connection: close")


class Silent(asyncio.Protocol):
    """Takes connections, and that is all."""


class Judge(Silent):
    """Answers whoever asks, and hangs up."""

    exit = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.say(reply(data, self.exit or self.transport.get_extra_info("peername")[0]))

    def say(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


class Good(Judge):
    """A proxy for plain HTTP, and for tunnels to a judge, which it is itself at the other end."""

    context: ssl.SSLContext
    inside: ssl.SSLObject | None = None

    def data_received(self, data: bytes) -> None:
        if self.inside:
            self.incoming.write(data)
            self.secured()
        elif data.startswith(b"CONNECT"):
            self.transport.write(GRANTED)
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.inside = self.context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        else:
            self.say(reply(data, self.transport.get_extra_info("sockname")[0]))

    def secured(self) -> None:
        assert self.inside
        with contextlib.suppress(ssl.SSLWantReadError):
            self.inside.do_handshake()
            request = self.inside.read(65_536)
            self.inside.write(reply(request, self.transport.get_extra_info("sockname")[0]))
            self.say(self.outgoing.read())
            return
        self.transport.write(self.outgoing.read())


class Transparent(Judge):
    exit = OWN


class Saying(Judge):
    """Says always the same, to whatever is asked."""

    words = b""

    def data_received(self, _: bytes) -> None:
        self.say(self.words)


class Forbidding(Saying):
    words = answer("403 Forbidden", b"<html>are you a robot?</html>")


class Garbage(Saying):
    words = b"220 smtp.example.org ESMTP\r\n"


class Captive(Saying):
    words = answer("200 OK", b"<html>log in</html>")


class Closing(Saying):
    pass


KINDS = (Silent, Judge, Good, Transparent, Forbidding, Garbage, Captive, Closing)


def everywhere() -> socket.socket:
    """A free port of all addresses of this machine's loopback, and of nothing else."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    bound.bind(("0.0.0.0", 0))
    bound.setblocking(False)
    return bound


def full(held: list[socket.socket]) -> int:
    """A port that takes no SYN: its queue of one is full."""
    listener = everywhere()
    listener.listen(0)
    port = int(listener.getsockname()[1])
    held.append(listener)
    for _ in range(2):
        client = socket.socket()
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect((OWN, port))
        held.append(client)
    return port


async def serve(folder: Path) -> None:
    certificates = Certificates(folder)
    Good.context = certificates.judge
    running = asyncio.get_running_loop()
    ports: dict[str, int] = {}
    held: list[socket.socket] = []
    for kind in KINDS:
        bound = everywhere()
        ports[kind.__name__.lower()] = bound.getsockname()[1]
        await running.create_server(kind, sock=bound, backlog=4096)
    secure = everywhere()
    await running.create_server(Judge, sock=secure, backlog=4096, ssl=certificates.judge)
    closed = everywhere()
    held += [closed]
    ports |= {"closed": closed.getsockname()[1], "dropping": full(held)}
    judges = [f"http://{OWN}:{ports['judge']}/", f"https://{OWN}:{secure.getsockname()[1]}/"]
    told = {"ports": ports, "judges": judges, "ca": str(certificates.ca)}
    print(json.dumps(told), flush=True)
    await running.run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def farm() -> Iterator[Farm]:
    """One, for as long as the block lasts."""
    command = [sys.executable, "-m", "tests.bench.proxies_farm"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        yield Farm(json.loads(process.stdout.readline()))
        process.stdin.close()


class Farm:
    """What it has said."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.judges: list[str] = facts["judges"]
        self.ca: str = facts["ca"]
        self._ports: dict[str, int] = facts["ports"]
        self._given = 0

    def take(self, kind: str, count: int) -> list[str]:
        """So many proxies of a kind that nobody has had."""
        begin, self._given = self._given, self._given + count
        port = self._ports[kind]
        return [
            f"http://127.{1 + n // 62_500 % 250}.{n // 250 % 250}.{n % 250 + 1}:{port}"
            for n in range(begin, begin + count)
        ]


if __name__ == "__main__":
    open_files()
    with tempfile.TemporaryDirectory(prefix="farm-") as name:
        loop.run(serve(Path(name)))
