"""The control socket, over a real one."""

from __future__ import annotations

import os
import resource
import selectors
import socket
from pathlib import Path

import pytest

from orchestrator.supervise.control import ControlServer


def test_who_must_make_room_for_another_is_read_no_more(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with (
        selectors.DefaultSelector() as selector,
        socket.socket(socket.AF_UNIX) as silent,
        socket.socket(socket.AF_UNIX) as other,
    ):
        server = ControlServer(path, selector, lambda _, reply: reply({"ok": True}))
        silent.connect(str(path))
        [(accepted, _)] = selector.select(5)
        accepted.data()

        silent.sendall(b'{"do": ')
        other.connect(str(path))
        events = [key for key, _ in selector.select(5)]
        assert len(events) == 2
        listening_first = sorted(events, key=lambda key: key.fd != accepted.fd)
        # With no descriptor left, whoever came first makes room: in the same turn it has written.
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free(), limits[1]))
        try:
            for key in listening_first:
                key.data()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

        with pytest.raises(ConnectionResetError):
            silent.recv(100)
        server.close()


def lowest_free() -> int:
    number = os.open(os.devnull, os.O_RDONLY)
    os.close(number)
    return number
