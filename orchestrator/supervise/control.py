"""The control socket: one JSON object a line, in and out."""

from __future__ import annotations

import json
import resource
import selectors
import socket
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.core import wire
from orchestrator.core.errors import (
    Busy,
    ConfigError,
    OrchError,
    ServiceFailed,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.core.clock import Deadline

#: A request longer than this comes from nobody we know, in bytes.
LONGEST_REQUEST = 1_048_576
#: Callers at a time; one more, and whoever has said nothing for longest is dropped.
MOST_CALLERS = 300
#: They may hold one in so many of our open files: probes, logs and children need some too.
SHARE = 3


class Handler(Protocol):
    """Answers a request, now or later, by calling `reply` once."""

    def __call__(self, request: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> None:
        """Take one request."""
        ...


class ControlServer:
    """Listens in a private folder; never waits for a client."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, handler: Handler) -> None:
        self._path = path
        self._selector = selector
        self._handler = handler
        self._buffers: dict[socket.socket, bytes] = {}
        self._most = _most_callers()
        path.unlink(missing_ok=True)  # the lock is held: nobody else listens there
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._listener.setblocking(False)
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Hang up on everybody, which tells them that the supervisor has ended."""
        for client in list(self._buffers):
            self._drop(client)
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError:  # too many open files: whoever has said nothing for longest makes room
            if self._buffers:
                self._drop(next(iter(self._buffers)))
            return
        client.setblocking(False)
        while len(self._buffers) >= self._most:
            self._drop(next(iter(self._buffers)))
        self._buffers[client] = b""
        self._selector.register(client, selectors.EVENT_READ, lambda: self._read(client))

    def _read(self, client: socket.socket) -> None:
        if client not in self._buffers:  # dropped since the selector told of it
            return
        try:
            data = client.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        buffer = self._buffers[client] + data
        if not data or len(buffer) > LONGEST_REQUEST:
            self._drop(client)
            return
        *lines, self._buffers[client] = buffer.split(b"\n")
        for line in lines:
            self._take(client, line)

    def _take(self, client: socket.socket, line: bytes) -> None:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if not _is_request(request):
            self._drop(client)
            return
        self._handler(request, lambda answer: self._send(client, answer))

    def _send(self, client: socket.socket, answer: dict[str, Any]) -> None:
        if client not in self._buffers:
            return
        try:
            client.setblocking(True)
            client.settimeout(0.2)  # a client that does not read is dropped, not waited for
            client.sendall(json.dumps(answer).encode() + b"\n")
            client.setblocking(False)
        except OSError:
            self._drop(client)

    def _drop(self, client: socket.socket) -> None:
        if self._buffers.pop(client, None) is not None:
            self._selector.unregister(client)
            client.close()


def _is_request(request: object) -> bool:
    if not isinstance(request, dict):
        return False
    names = request.get("services")
    return names is None or (
        isinstance(names, list) and all(isinstance(name, str) for name in names)
    )


def ask(path: Path, request: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
    """Send one request to the supervisor at `path` and return its answer.

    Raises:
        NotRunning: nobody is there, or it ended before it answered.
        DeadlinePassed: no answer in time.
    """
    return wire.ask(str(path), request, deadline.remaining())


def checked(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that says yes; turn one that says no into the error that it tells of.

    Raises:
        ConfigError: what was asked for makes no sense.
        Unavailable: something that is needed is not there.
        ServiceFailed: a service did not become ready.
    """
    if answer["ok"]:
        return answer
    error = error_of(answer["exit"], answer["error"], tuple(answer["log_tail"]))
    error.hint = answer["hint"]
    raise error


def error_of(code: int, text: str, log_tail: tuple[str, ...] = ()) -> OrchError:
    """The error that another process of ours ended with, from its exit code and its words."""
    if code == ConfigError.exit_code:
        return ConfigError((text,))
    if code == Unavailable.exit_code:
        return Unavailable(text)
    if code == Busy.exit_code:
        return Busy(text)
    service, _, reason = text.partition(": ")
    return ServiceFailed(service, reason, log_tail)


def _most_callers() -> int:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files == resource.RLIM_INFINITY:
        return MOST_CALLERS
    return min(MOST_CALLERS, max(1, files // SHARE))
