"""A server on loopback that says exactly what it is told to, byte by byte, also what no server should."""

from __future__ import annotations

import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

#: Steps of a script beside bytes, which are sent.
RESET, CLOSE, HANG = "reset", "close", "hang"
#: So slowly a script trickles, in seconds a byte.
TRICKLE_S = 0.01


class Trickle(NamedTuple):
    """Sent byte by byte, until nobody listens."""

    data: bytes


Step = bytes | str | Trickle
#: A script, or a function of the number of requests before on this connection.
Script = Sequence[Step] | Callable[[int], Sequence[Step]]


class Request(NamedTuple):
    """One request as the server saw it; `connection` counts from 0."""

    connection: int
    first: str
    headers: Mapping[str, str]


class RawServer:
    """Scripts by path (of CONNECT: by `connect`); after each another request may follow."""

    def __init__(
        self, scripts: Mapping[str, Script], context: ssl.SSLContext | None = None
    ) -> None:
        self.scripts = dict(scripts)
        self.requests: list[Request] = []
        self.connections = 0
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._context = context
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.raw = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, path: str = "/") -> str:
        return f"http{'s' if self._context else ''}://127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def serve(self, sock: socket.socket) -> None:
        with self._lock:
            number, self.connections = self.connections, self.connections + 1
        if self._context:
            sock = self._context.wrap_socket(sock, server_side=True)
        stream, before = sock.makefile("rb"), 0
        while head := _head(stream):
            first, headers = head
            with self._lock:
                self.requests.append(Request(number, first, headers))
            if not self._play(sock, self._script(first, before)):
                return
            before += 1

    def _script(self, first: str, before: int) -> Sequence[Step]:
        method, target, _ = first.split(" ")
        path = "connect" if method == "CONNECT" else "/" + target.partition("?")[0].split("/")[-1]
        script = self.scripts.get(path, [page(b"not here", "404 Not Found")])
        return script(before) if callable(script) else script

    def _play(self, sock: socket.socket, script: Sequence[Step]) -> bool:
        for step in script:
            if isinstance(step, Trickle):
                for byte in step.data:
                    sock.sendall(bytes([byte]))
                    if self.released.wait(TRICKLE_S):
                        return False
            elif isinstance(step, bytes):
                sock.sendall(step)
            elif step == HANG:
                self.released.wait(30)
                return False
            elif step == RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
                return False
            else:
                return False
        return True


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 256
    raw: RawServer

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is no news."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.server.raw.serve(self.request)


def _head(stream: Any) -> tuple[str, dict[str, str]] | None:
    first = stream.readline().decode("latin-1").strip()
    if not first:
        return None
    headers = {}
    while line := stream.readline().decode("latin-1").strip():
        name, _, value = line.partition(":")
        headers[name.title()] = value.strip()
    return first, headers


def page(body: bytes = b"<h1>x</h1>", status: str = "200 OK", **headers: str) -> bytes:
    """An answer, right unless its headers (with _ for -) say otherwise; "" leaves one out."""
    told = {"Content-Type": "text/html", "Content-Length": str(len(body)), **headers}
    lines = "".join(
        f"{name.replace('_', '-')}: {value}\r\n" for name, value in _named(told) if value
    )
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body


def _named(told: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    merged: dict[str, str] = {}
    for name, value in told.items():
        merged[name.replace("_", "-").title()] = value
    return list(merged.items())
