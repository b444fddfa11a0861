"""A lean Redis client: one connection, one command at a time, standard library only.

The supervisor probes with it and the halt of sites speaks with it, because importing redis-py costs
200 ms. Everything else uses `core.redis`.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

from orchestrator.core.errors import RedisUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

Reply = str | int | None | list["Reply"]
Raw = bytes | int | None | list["Raw"]

#: So much is read at once, in bytes; the first line of an answer is shorter.
CHUNK = 65_536
NO_REDIS = "what answered there is no Redis"

#: Errors a server answers with while it serves nobody, or takes no writes, for the moment.
_FOR_NOW = frozenset(
    ["LOADING", "BUSY", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS", "EXECABORT"]
)


class ReplyError(RedisUnavailable):
    """The server answered with an error; `code` is its first word (LOADING, NOAUTH, ERR …)."""

    def __init__(self, text: str) -> None:
        super().__init__(f"Redis answered: {text}")
        self.code = text.split(" ", 1)[0]

    @property
    def passes(self) -> bool:
        """Whether the server is to blame, for the moment; else what it was asked, or by whom."""
        return self.code in _FOR_NOW


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
            raise _unavailable(error) from error
        self._buffer, self._at = b"", 0  # what has come, and how far it was read
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
        return self.run(encode(*words))

    def run(self, raw: bytes) -> Reply:
        """The same for a command that is encoded already."""
        return _text(self.ask(raw))

    def ask(self, raw: bytes) -> Raw:
        """The same, with strings as the bytes that they are."""
        self.send(raw)
        return self.receive()

    def send(self, raw: bytes) -> None:
        """Send a command without waiting for its answer, which `receive` returns."""
        try:
            self._socket.sendall(raw)
        except OSError as error:
            raise _unavailable(error) from error

    def receive(self) -> Raw:
        """Return the first answer that was not received yet."""
        try:
            return self._read()
        except OSError as error:
            raise _unavailable(error) from error

    def listen(self) -> Iterator[Reply]:
        """Yield what is sent without being asked for, as to a subscriber, until `interrupt`.

        Raises:
            RedisUnavailable: the connection broke.
        """
        self._socket.settimeout(None)
        while True:
            try:
                found = self._read()
            except OSError as error:
                raise RedisUnavailable(f"Redis is gone: {error.strerror or error}") from error
            yield _text(found)

    def interrupt(self) -> None:
        """Break the connection while another thread listens, which then closes it."""
        with contextlib.suppress(OSError):  # it is broken already
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the connection up."""
        self._socket.close()

    def _read(self) -> Raw:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"$":
            return None if rest == b"-1" else self._take(int(rest))
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ReplyError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"*":
            return [self._read() for _ in range(int(rest))]
        raise RedisUnavailable(NO_REDIS)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n", self._at)) < 0:
            if len(self._buffer) - self._at > CHUNK:
                raise RedisUnavailable(NO_REDIS)
            self._buffer, self._at = self._buffer[self._at :] + self._more(), 0
        line = self._buffer[self._at : end]
        self._at = end + 2
        return line

    def _take(self, size: int) -> bytes:
        missing = self._at + size + 2 - len(self._buffer)
        if missing > 0:
            parts = [self._buffer[self._at :]]
            while missing > 0:
                parts.append(self._more())
                missing -= len(parts[-1])
            self._buffer, self._at = b"".join(parts), 0
        found = self._buffer[self._at : self._at + size]
        self._at += size + 2
        return found

    def _more(self) -> bytes:
        more = self._socket.recv(CHUNK)
        if not more:
            raise ConnectionResetError(None, "it closed the connection")
        return more

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _unavailable(error: OSError) -> RedisUnavailable:
    return RedisUnavailable(f"no answer from Redis: {error.strerror or error}")


def _text(found: Raw) -> Reply:
    if isinstance(found, bytes):
        return found.decode("utf-8", "replace")
    return [_text(each) for each in found] if isinstance(found, list) else found


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
