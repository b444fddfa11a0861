"""What is left of a demo: processes that carry its home, and ports that somebody listens on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.supervise import ownership

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: Short names of what Redis may be here.
REDIS = ("redis-server", "valkey-server")
#: How long killed processes may take to be gone.
GONE_WITHIN_S = 5.0


def mark(home: Path) -> dict[str, str]:
    """The variable that every process of the demo has in its environment."""
    return {"ORCH_HOME": str(home)}


def processes(home: Path) -> list[int]:
    """Every live process, except this one, that was started for `home`."""
    return [
        pid
        for pid in ownership.pids()
        if pid != os.getpid() and _belongs(pid, home) and ownership.start_time(pid)
    ]


def remaining(home: Path, known: Iterable[int]) -> list[int]:
    """What still runs of the demo; without /proc, only those that we `know` can be asked about."""
    return processes(home) if ownership.PROC.is_dir() else [pid for pid in known if _exists(pid)]


def open_ports(ports: Mapping[str, int]) -> dict[str, int]:
    """Those of `ports` where somebody answers."""
    return {label: port for label, port in ports.items() if _answers(port)}


def end_all(home: Path) -> list[int]:
    """Kill every process of `home`, by its pid, until none is left; return those that did not go."""

    def none_left() -> bool:
        found = processes(home)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not found

    wait_until(none_left, Deadline.after(GONE_WITHIN_S), every=0.02)
    return processes(home)


def _belongs(pid: int, home: Path) -> bool:
    """By its environment, or for Redis, which writes its title over that, by where it runs."""
    wanted = {f"{name}={value}".encode() for name, value in mark(home).items()}
    if wanted <= ownership.environment(pid):
        return True
    return ownership.name_of(pid) in REDIS and _folder(pid).startswith(f"{home}/")


def _folder(pid: int) -> str:
    """The current folder of a process; empty when it is gone or not ours to see."""
    try:
        return str((ownership.PROC / str(pid) / "cwd").readlink())
    except OSError:
        return ""


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
