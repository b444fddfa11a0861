"""What a process costs and how soon a Redis answers, seen from outside."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path


def timed_ms(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - began)


def cpu_ms(pid: int) -> float:
    """User and system time so far, by the process's own CPU clock (clock_getcpuclockid(3))."""
    return 1000 * time.clock_gettime((~pid << 3) | 2)


def wakeups(pid: int) -> int:
    """How often the process has gone to sleep so far, which is how often it was woken."""
    return _status(pid, "voluntary_ctxt_switches")


def pss_mb(pid: int) -> float:
    """Memory in megabytes; what several processes share counts in equal parts."""
    return _smaps_mb(pid, "Pss:")


def private_mb(pid: int) -> float:
    """The part of its memory that no other process shares, in megabytes."""
    return _smaps_mb(pid, "Private_Clean:", "Private_Dirty:")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def answers(path: Path, timeout: float = 1.0) -> bool:
    """Whether a Redis on this Unix socket answers a PING."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def until_answer(path: Path, within: float = 60.0, timeout: float = 1.0) -> None:
    """Ask without any pause until there is an answer."""
    deadline = time.monotonic() + within
    while not answers(path, timeout):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no PONG from {path} within {within} s")


def server_pid(path: Path) -> int:
    """Who listens on this Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[0])


def kill_until_answer_ms(path: Path) -> float:
    """kill -9 the Redis on `path`; how long until another one answers a client that never pauses."""
    pid = server_pid(path)
    handle = os.pidfd_open(pid)
    began = time.perf_counter()
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    select.select([handle], [], [])  # the old one answers nothing any more
    until_answer(path)
    took = 1000 * (time.perf_counter() - began)
    os.close(handle)
    return took


def freeze(path: Path) -> int:
    """Stop the Redis on `path` (SIGSTOP); its pid."""
    pid = server_pid(path)
    os.kill(pid, signal.SIGSTOP)
    return pid


def freeze_until_answer_s(path: Path, within: float) -> float:
    """Stop the Redis on `path`; how long until another one answers."""
    freeze(path)
    began = time.perf_counter()
    until_answer(path, within, timeout=0.1)
    return time.perf_counter() - began


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise LookupError(f"no {name} of {pid}")


def _smaps_mb(pid: int, *names: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(names)) * 1024 / 1e6
