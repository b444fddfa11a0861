"""Which processes are provably ours: by kernel start time and boot, or by the token they were given."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_BOOT_ID = PROC / "sys/kernel/random/boot_id"

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


def boot_id() -> str:
    """A name for this boot of the machine."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return "unknown"


def start_time(pid: int) -> int:
    """When the process started, in clock ticks after boot; 0 when it is gone or a zombie."""
    found = process_stat(pid)
    return found.started if found else 0


def process_stat(pid: int) -> Stat | None:
    """What the kernel says of a process; None when it is gone or a zombie."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if not fields or fields[_STATE] in "ZX":
        return None
    ticks = int(fields[_UTIME]) + int(fields[_STIME])
    return Stat(fields[_STATE], int(fields[_SESSION]), ticks, int(fields[_START]))


def session(leader: int) -> list[int]:
    """Pids (without `leader`) in the session of `leader`."""
    stats = ((pid, process_stat(pid)) for pid in pids() if pid != leader)
    return [pid for pid, found in stats if found and found.session == leader]


def family(leader: int, launch: str) -> list[int]:
    """Pids (without `leader`) in the session of `leader`, or started with the token `launch`.

    The token finds a grandchild that left the session; a recycled session id cannot hurt, because a
    pid is not given out while a session has that number.
    """
    wanted = f"ORCH_LAUNCH={launch}".encode()
    found = []
    for pid in pids():
        facts = process_stat(pid) if pid not in (leader, os.getpid()) else None
        if facts and (facts.session == leader or wanted in environment(pid)):
            found.append(pid)
    return found


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
    return (
        [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
        if PROC.is_dir()
        else []
    )


def environment(pid: int) -> frozenset[bytes]:
    """The environment that a process was started with; empty when it is gone or not ours to read."""
    try:
        return frozenset((PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    except OSError:
        return frozenset()


def name_of(pid: int) -> str:
    """The short name of a process."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "?"


def rss_bytes(pid: int) -> int | None:
    """Resident memory of a process."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


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
        try:
            rows = (PROC / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for words in (row.split() for row in rows):
            if words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                found.add(words[9])
    return found
