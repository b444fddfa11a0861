"""A way to a Redis on which a reply can be lost, after the server has done what it was asked."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self


class LossyWay:
    """Listens at `path` and leads to the server's socket; `lose` has the next reply lost."""

    def __init__(self, server: Path, path: Path) -> None:
        self.url = f"unix://{path}"
        self.lose = Event()
        self._server = server
        self._open: list[socket.socket] = [socket.socket(socket.AF_UNIX)]
        self._open[0].bind(str(path))
        self._open[0].listen()

    def __enter__(self) -> Self:
        Thread(target=self._lead, args=(self._open[0],), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in self._open:
            _cut(end)

    def _lead(self, door: socket.socket) -> None:
        with suppress(OSError):  # until the door is closed
            while True:
                near, far = door.accept()[0], socket.socket(socket.AF_UNIX)
                far.connect(str(self._server))
                self._open += (near, far)
                Thread(target=self._carry, args=(near, far), daemon=True).start()
                Thread(target=self._carry_back, args=(far, near), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while some := near.recv(65536):
                far.sendall(some)
        _cut(far)

    def _carry_back(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while (some := far.recv(65536)) and not self.lose.is_set():
                near.sendall(some)
        self.lose.clear()
        _cut(near)


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
