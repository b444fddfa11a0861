"""Which processes are provably ours: by kernel start time and boot, or by the token they were given."""

from __future__ import annotations

import functools
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")

#: Fields of /proc/PID/stat behind the command name (proc(5)).
_STATE, _SESSION, _UTIME, _STIME, _START = 0, 3, 11, 12, 19


@dataclass(frozen=True, slots=True)
class Stat:
    """What the kernel says of a process that runs (a zombie does not)."""

    state: str  #: one letter: R running, S sleeping, D waiting for the disk, T suspended
    session: int
    cpu_ticks: int
    started: int  #: clock ticks after boot


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that no recycled pid can be mistaken for."""

    pid: int
    started: int  #: clock ticks after boot
    boot: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return self.boot == boot_id() and self.started != 0 and start_time(self.pid) == self.started


def identify(pid: int) -> Identity:
    """The identity of a running process; one that is gone is never `alive`."""
    return Identity(pid, start_time(pid), boot_id())


@functools.cache
def boot_id() -> str:
    """A name for this boot of the machine."""
    return _read("sys/kernel/random/boot_id").decode().strip() or "unknown"


def start_time(pid: int) -> int:
    """When the process started, in clock ticks after boot; 0 when it is gone or a zombie."""
    found = process_stat(pid)
    return found.started if found else 0


def process_stat(pid: int) -> Stat | None:
    """What the kernel says of a process; None when it is gone or a zombie."""
    fields = _read(f"{pid}/stat").decode("utf-8", "replace").rpartition(")")[2].split()
    if not fields or fields[_STATE] in "ZX":
        return None
    ticks = int(fields[_UTIME]) + int(fields[_STIME])
    return Stat(fields[_STATE], int(fields[_SESSION]), ticks, int(fields[_START]))


def session(leader: int) -> list[int]:
    """Pids (without `leader`) in the session of `leader`."""
    return [pid for pid in pids() if pid != leader and _is_in_session(pid, leader)]


def family(leader: int, launch: str) -> list[int]:
    """Pids (without `leader`) that are `related` to it."""
    return [pid for pid in pids() if pid != leader and related(pid, leader, launch)]


def related(pid: int, leader: int, launch: str) -> bool:
    """Whether a live process is in the session of `leader`, or was started with the token `launch`.

    The token finds a grandchild that left the session; a recycled session id cannot hurt, because a
    pid is not given out while a session has that number.
    """
    number = _session_of(pid)
    # 0: the kernel's own threads, of which a machine has a hundred, and what came in from outside a
    # container. Whatever a service starts is in the session that the service was given, or makes its own.
    if not number or pid == os.getpid():
        return False
    if number != leader and f"ORCH_LAUNCH={launch}".encode() not in environment(pid):
        return False
    return start_time(pid) != 0


def launched(home: Path) -> dict[str, list[int]]:
    """Every live process that a supervisor of `home` launched, by launch token."""
    mine = f"ORCH_HOME={home}".encode()
    found: dict[str, list[int]] = {}
    for pid in pids():
        words = environment(pid)
        if mine not in words or pid == os.getpid() or not start_time(pid):
            continue
        for word in words:
            if word.startswith(b"ORCH_LAUNCH="):
                found.setdefault(word.partition(b"=")[2].decode(), []).append(pid)
    return found


def pids() -> list[int]:
    """Every pid there is."""
    try:
        return [int(name) for name in os.listdir(PROC) if name.isdigit()]  # noqa: PTH208  (often)
    except OSError:
        return []


def environment(pid: int) -> frozenset[bytes]:
    """The environment that a process was started with; empty when it is gone or not ours to read."""
    raw = _read(f"{pid}/environ")
    return frozenset(raw.split(b"\0")) if raw else frozenset()


def name_of(pid: int) -> str:
    """The short name of a process."""
    return _read(f"{pid}/comm").decode("utf-8", "replace").strip() or "?"


def rss_bytes(pid: int) -> int | None:
    """Resident memory of a process."""
    words = _read(f"{pid}/statm").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") if words else None


def listener(port: int) -> tuple[int, str] | None:
    """(pid, name) of who listens on a TCP port of this machine, as far as we may see it."""
    inodes = _listening_inodes(port)
    for pid in pids() if inodes else ():
        folder = PROC / str(pid) / "fd"
        try:
            targets = [str(entry.readlink()) for entry in folder.iterdir()]
        except OSError:
            continue
        if any(re.sub(r"\D", "", target) in inodes for target in targets if "socket:" in target):
            return pid, name_of(pid)
    return None


def peer(path: str) -> int | None:
    """The pid that listens on a Unix socket; None when nobody does."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.5)
        try:
            client.connect(path)
            raw = client.getsockopt(socket.SOL_SOCKET, getattr(socket, "SO_PEERCRED", 17), 12)
        except OSError:
            return None
    return int.from_bytes(raw[:4], "little") or None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("net/tcp", "net/tcp6"):
        rows = _read(table).decode().splitlines()[1:]
        for words in (row.split() for row in rows):
            if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                found.add(words[9])
    return found


def _is_in_session(pid: int, leader: int) -> bool:
    return _session_of(pid) == leader and start_time(pid) != 0


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _read(name: str) -> bytes:
    """A file of /proc, whole; empty when it is gone or not ours to read.

    Every process is looked at before a service starts again: a Path and its file object take ten times
    as long.
    """
    try:
        handle = os.open(f"{PROC}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts = []
    try:
        while part := os.read(handle, 65_536):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(handle)
    return b"".join(parts)
