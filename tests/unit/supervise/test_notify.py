"""systemd's notify protocol, spoken to a real datagram socket."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervise.notify import NEVER, Notify


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_the_manager_hears_ready_alive_and_stopping(manager: socket.socket) -> None:
    notify = Notify(manager.getsockname(), watchdog_s=10.0)

    notify.ready("ready: redis")
    notify.tick(100.0)
    notify.tick(104.0)  # not yet due
    notify.stopping()

    heard = [manager.recv(4096).decode() for _ in range(3)]
    assert heard[0].splitlines() == ["READY=1", f"MAINPID={os.getpid()}", "STATUS=ready: redis"]
    assert heard[1:] == ["WATCHDOG=1", "STOPPING=1"]
    assert notify.due == 105.0


def test_a_manager_that_has_gone_disturbs_nobody(manager: socket.socket) -> None:
    notify = Notify(manager.getsockname())
    manager.close()

    notify.stopping()

    assert notify.due == NEVER


def test_a_manager_that_is_too_busy_hears_ready_and_signs_of_life_later(
    manager: socket.socket,
) -> None:
    notify = Notify(manager.getsockname(), watchdog_s=10.0)
    fill(manager)

    notify.ready("ready: redis")
    notify.tick(100.0)
    assert 100.0 < notify.due <= 102.0
    drain(manager)
    notify.tick(notify.due)
    notify.tick(102.0)
    notify.tick(102.5)

    assert [line.split("\n")[0] for line in drain(manager)] == ["READY=1", "WATCHDOG=1"]


def test_ready_is_not_said_any_more_when_all_is_being_stopped(manager: socket.socket) -> None:
    notify = Notify(manager.getsockname())
    fill(manager)
    notify.ready("ready: redis")
    drain(manager)

    notify.stopping()
    notify.tick(100.0)

    assert drain(manager) == ["STOPPING=1"]
    assert notify.due == NEVER


def fill(manager: socket.socket) -> None:
    """Leave no room for one more datagram."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"x", manager.getsockname())


def drain(manager: socket.socket) -> list[str]:
    heard = []
    manager.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(manager.recv(4096).decode())
    return heard


def test_services_do_not_inherit_the_right_to_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@bus")
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    notify = Notify.from_environment()

    assert notify == Notify("@bus", 30.0) == Notify(**notify.to_json())
    assert not [name for name in os.environ if "NOTIFY" in name or "WATCHDOG" in name]


def test_a_watchdog_for_another_process_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "@bus")
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")

    assert Notify.from_environment().watchdog_s is None
