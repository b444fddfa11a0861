"""A lean Redis client: one connection, one command at a time, standard library only.

The supervisor probes with it and the halt of sites speaks with it, because importing redis-py costs
200 ms. Everything else uses `core.redis`.
"""

from __future__ import annotations

import importlib
import socket
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from orchestrator.core.errors import RedisUnavailable

if TYPE_CHECKING:
    from types import TracebackType

Reply = str | int | None | list["Reply"]


class ReplyError(RedisUnavailable):
    """The server answered with an error; `code` is its first word (LOADING, NOAUTH, ERR …)."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Redis answered: {text}")
        self.code = text.split(" ", 1)[0]


def encode(*words: str | int) -> bytes:
    """One command as the protocol wants it."""
    raw = [str(word).encode() for word in words]
    head = b"*%d\r\n" % len(raw)
    return head + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in raw)


class Connection:
    """A connection to the server at `url` (unix://, redis://); each step takes ≤ `timeout` s."""

    def __init__(self, url: str, *, timeout: float = 1.0) -> None:
        parts = urlsplit(url)
        try:
            self._socket = _connect(parts.scheme, parts.path, parts.hostname, parts.port, timeout)
        except OSError as error:
            raise RedisUnavailable(f"no answer from Redis: {error.strerror or error}") from error
        self._file = self._socket.makefile("rb")
        if parts.password:
            words = [unquote(parts.username)] if parts.username else []
            self.call("AUTH", *words, unquote(parts.password))
        path = "" if parts.scheme == "unix" else parts.path.strip("/")
        database = parts.query.removeprefix("db=") or path
        if database:
            self.call("SELECT", database)

    def call(self, *words: str | int) -> Reply:
        """Send one command and return its reply.

        Raises:
            ReplyError: the server refused it.
            RedisUnavailable: no answer in time, or not the answer of a Redis.
        """
        try:
            self._socket.sendall(encode(*words))
            return self._read()
        except OSError as error:
            raise RedisUnavailable(f"no answer from Redis: {error.strerror or error}") from error

    def _read(self) -> Reply:
        line = self._file.readline(65_536)
        kind, rest = line[:1], line[1:].rstrip(b"\r\n").decode("utf-8", "replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ReplyError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self._file.read(size + 2)[:-2].decode("utf-8", "replace")
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        raise RedisUnavailable("what answered there is no Redis")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._socket.close()


def _connect(
    scheme: str, path: str, host: str | None, port: int | None, timeout: float
) -> socket.socket:
    if scheme == "unix":
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(timeout)
        client.connect(unquote(path))
        return client
    connection = socket.create_connection((host or "127.0.0.1", port or 6379), timeout)
    if scheme == "rediss":
        tls: Any = importlib.import_module("ssl")  # 10 ms that hardly anybody needs
        secured: socket.socket = tls.create_default_context().wrap_socket(
            connection, server_hostname=host
        )
        return secured
    return connection
