"""Ends the commands of a process that was killed: a program of its own that holds a pipe to it.

`python -I -S warden.py PID` reads lines from stdin: `+TOKEN` before a command is started, `=TOKEN PID
STARTED` once it runs, `-TOKEN` when it has ended. When the pipe or the process PID ends, what was not
ticked off is asked to end, and killed: what is in the session of a command, and what has its token in
its environment. That finds a command that was being started just then, and what has left its session,
unless it hides or overwrites its environment. Run by path and made of the standard library alone: it
is there within some 20 ms.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from typing import NamedTuple

# Typing itself is not imported: this must start fast.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: The variable that holds a command's token.
MARK = "ORCH_COMMAND"
LOOK_EVERY_S = 0.05
#: So many looks may pass before what was asked to end is killed.
GRACE_LOOKS = 20
#: What forks, or becomes the command, while it is looked for is found by a later look; so many in a
#: row must find nothing.
QUIET_LOOKS = 10
#: Nobody waits longer for what cannot be killed.
MOST_LOOKS = 1200

#: Fields of /proc/PID/stat behind the command name (proc(5)).
_STATE, _SESSION, _START = 0, 3, 19


class Leader(NamedTuple):
    """The first process of a command; its pid is the number of its session."""

    pid: int
    started: int


def main() -> None:
    """Watch until the starter has ended, then end what it has left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a whole service may be signalled: we come last
    left = listen(int(sys.argv[1]))
    if left:
        end(left)


def listen(starter: int) -> dict[str, Leader | None]:
    """Return the commands that run, by token, once the pipe or the process `starter` has ended."""
    live: dict[str, Leader | None] = {}
    handle = pidfd(starter)
    poller = select.poll()
    poller.register(0, select.POLLIN)
    if handle >= 0:
        poller.register(handle, select.POLLIN)
    rest = b""
    while True:
        ready = {number for number, _ in poller.poll(None if handle >= 0 else 1000)}
        if 0 in ready:
            part = os.read(0, 65_536)
            if not part:
                return live
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                note(live, line.decode())
        elif ready or os.getppid() != starter:  # somebody who forked holds the pipe still
            return live


def note(live: dict[str, Leader | None], line: str) -> None:
    """Take in one line.

    >>> live = {}
    >>> for line in ("+a", "+b", "=a 7 99", "-b"):
    ...     note(live, line)
    >>> live
    {'a': Leader(pid=7, started=99)}
    """
    token, *numbers = line[1:].split()
    match line[0]:
        case "+":
            live[token] = None
        case "=":
            live[token] = Leader(*map(int, numbers))
        case "-":
            live.pop(token, None)


def end(commands: Mapping[str, Leader | None]) -> None:
    """Ask what is left of the commands to end, then kill it."""
    send(commands, signal.SIGTERM)
    send(commands, signal.SIGCONT)
    looks = 0
    while kin(commands) and looks < GRACE_LOOKS:
        select.select([], [], [], LOOK_EVERY_S)
        looks += 1
    quiet = 0
    while quiet < QUIET_LOOKS and looks < MOST_LOOKS:
        quiet = 0 if send(commands, signal.SIGKILL) else quiet + 1
        select.select([], [], [], LOOK_EVERY_S)
        looks += 1


def send(commands: Mapping[str, Leader | None], number: int) -> int:
    """Send a signal to all that is left of the commands; return how many processes that were."""
    found = kin(commands)
    for pid in found:
        _signal(pid, number, commands)
    return len(found)


def kin(commands: Mapping[str, Leader | None]) -> list[int]:
    """Live processes in the sessions of the commands, or with their tokens."""
    return _kin(commands, _pids()) if os.path.isdir("/proc/self") else _leaders(commands)  # noqa: PTH112


def start_time(pid: int) -> int:
    """When a process started, in clock ticks after boot; 0 when it is gone."""
    fields = _stat(pid)
    return int(fields[_START]) if fields else 0


def _kin(commands: Mapping[str, Leader | None], pids: Iterable[int]) -> list[int]:
    sessions = {leader.pid for leader in commands.values() if leader and not _recycled(leader)}
    marks = {f"{MARK}={token}".encode() for token in commands}
    return [pid for pid in pids if _is_kin(pid, sessions, marks)]


def _is_kin(pid: int, sessions: set[int], marks: set[bytes]) -> bool:
    fields = _stat(pid)
    if not fields or fields[_STATE] in "ZX" or pid == os.getpid():
        return False
    if int(fields[_SESSION]) in sessions:
        return True
    return not marks.isdisjoint(_read(f"/proc/{pid}/environ").split(b"\0"))


def _recycled(leader: Leader) -> bool:
    """Whether the number is somebody else's by now; while its session lives it is not given out."""
    return start_time(leader.pid) not in (0, leader.started)


def _leaders(commands: Mapping[str, Leader | None]) -> list[int]:
    """Without /proc: those that lead a group still."""
    found = []
    for leader in commands.values():
        with contextlib.suppress(OSError):
            if leader and os.getpgid(leader.pid) == leader.pid:
                found.append(leader.pid)
    return found


def _signal(pid: int, number: int, commands: Mapping[str, Leader | None]) -> None:
    handle = pidfd(pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if handle < 0:
            os.killpg(pid, number)
        elif _kin(commands, [pid]):  # the handle holds on to whom we ask about
            signal.pidfd_send_signal(handle, number)
    if handle >= 0:
        os.close(handle)


def _stat(pid: int) -> list[str]:
    return _read(f"/proc/{pid}/stat").decode("utf-8", "replace").rpartition(")")[2].split()


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208


def pidfd(pid: int) -> int:
    """Open a handle, readable from the end of the process on; -1: none (not Linux, too many open files)."""
    opener = getattr(os, "pidfd_open", None)
    if opener is None:
        return -1
    try:
        return int(opener(pid))
    except OSError:
        return -1


def _read(name: str) -> bytes:
    """A file of /proc, whole; empty when it is gone or not ours to read."""
    try:
        with open(name, "rb") as file:  # noqa: PTH123  (pathlib takes longer to import than all the rest)
            return file.read()
    except OSError:
        return b""


if __name__ == "__main__":
    main()
