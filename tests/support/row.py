"""What the rows of the chaos tests have in common: reading events, pids and processor time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.supervise import ownership
from tests.support.orch import SMALL, Orch, eventually

SERVICES = ("redis", "results", "worker", "beat")

#: Ready as soon as it runs; quick to ask.
AT_ONCE = '{ after = "50ms" }'


def events(orch: Orch, name: str, service: str | None = None) -> list[dict[str, Any]]:
    """Every event `name`, or those of one service."""
    found = [event for event in orch.events() if event["event"] == name]
    return [event for event in found if service in (None, event.get("service"))]


def order_of(orch: Orch, name: str) -> list[str]:
    """The services in the order in which `name` happened to them."""
    return [str(event["service"]) for event in events(orch, name)]


def states(orch: Orch) -> dict[str, str]:
    return {row["name"]: row["state"] for row in orch.status()["services"]}


def all_ready(orch: Orch) -> bool:
    return set(states(orch).values()) == {"ready"}


def pids(orch: Orch) -> dict[str, int]:
    """The pids of what runs."""
    return {row["name"]: row["pid"] for row in orch.status()["services"] if row["pid"]}


def daemon(orch: Orch) -> int:
    pid = orch.status()["supervisor"]["pid"]
    assert isinstance(pid, int)
    return pid


def daemons(orch: Orch) -> list[int]:
    """Every supervisor that was started in the home: it keeps the folder that it was started in."""
    home = str(orch.home.resolve())
    return [pid for pid in ownership.pids() if _is_daemon(Path(f"/proc/{pid}"), home)]


def _is_daemon(folder: Path, home: str) -> bool:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
        return b"orchestrator.supervise" in words and str((folder / "cwd").readlink()) == home
    except OSError:
        return False


def replaced(orch: Orch, name: str, pid: int, timeout: float = 30) -> int:
    """Wait until a service is ready with another pid; return it."""

    def ready_again() -> int:
        row = orch.service(name)
        return row["pid"] if row["state"] == "ready" and row["pid"] not in (None, pid) else 0

    return int(eventually(ready_again, timeout, f"{name} ready again"))


def within(most: float, measure: Callable[[], float]) -> None:
    """Assert that what is measured, a time, is no more.

    Whatever else the machine does only adds to it: of three the smallest counts.
    """
    took = list[float]()
    for _ in range(3):
        took.append(measure())
        if took[-1] <= most:
            return
    raise AssertionError(f"it took {took}, and may take {most}")


def cpu_ms(pid: int) -> float:
    """Processor time of a process so far, to the nanosecond (its first thread's: ours have one)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def declared(name: str, *command: str, **more: str) -> str:
    """A service of the user's own; `more` are lines of TOML by key."""
    lines = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f"\n[service.{name}]\ncommand = {json.dumps(command)}\n{lines}"


def python(name: str, code: str, **more: str) -> str:
    """A service of the user's own that is some lines of Python."""
    return declared(name, sys.executable, "-c", code, **more)


def configure(orch: Orch, *tables: str, base: str = SMALL) -> None:
    (orch.home / "orch.toml").write_text(base + "".join(tables))


@contextmanager
def foreground(orch: Orch, *services: str) -> Iterator[subprocess.Popen[str]]:
    """`orch up` in the foreground, all of its services ready; like on a terminal, in a group of its own."""
    up = orch.popen("up", *services, start_new_session=True)
    try:
        eventually(lambda: _ready(orch, services) or up.poll() is not None, 60, "all ready")
        assert up.poll() is None, up.communicate()[0]
        yield up
    finally:
        if up.poll() is None:
            os.killpg(up.pid, signal.SIGINT)
        up.communicate(timeout=60)


def _ready(orch: Orch, services: tuple[str, ...]) -> bool:
    found = states(orch)
    return bool(found) and all(found[name] == "ready" for name in services or found)
