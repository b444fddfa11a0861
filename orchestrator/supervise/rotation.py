"""Keeping a service's log small: the service holds the file open, so it is copied and emptied."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import FileIO

    from orchestrator.supervise.service import LogSpec

BLOCK = 65_536
#: Of a log beyond this (and beyond all that is kept together) only the end is kept: half as much, in
#: bytes. It was set a limit late, or there was no room for a copy, which there is for that.
FAR_BEYOND = 64_000_000


class Rotation(threading.Thread):
    """Rotates a log while the supervisor goes on: a big copy takes seconds."""

    def __init__(self, log: LogSpec) -> None:
        super().__init__(name=_name(log), daemon=True)
        self.error = ""  #: why it failed, once it has ended
        self._log = log

    def run(self) -> None:
        """Copy and empty; what does not succeed is told in `error`."""
        # Else a signal could be this thread's, and be lost when the process replaces its program.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            rotate(self._log)
        except OSError as error:
            self.error = error.strerror or str(error)


def is_due(log: LogSpec) -> bool:
    """Whether the file has grown beyond its limit, and nothing sees to it already."""
    try:
        if not 0 < log.max_bytes < os.stat(log.path).st_size:  # noqa: PTH116  (asked for ever)
            return False
    except OSError:
        return False
    return not _is_under_way(log)


def rotate(log: LogSpec) -> None:
    """Move the older ones on (`.1` is the newest), and begin the file anew.

    With `log.reopen` the file is renamed, and the caller must send that signal. Else it is copied and
    truncated: what is written between the two is lost, some microseconds' worth.

    Raises:
        OSError: no room for the copy; the log goes on growing, and the older ones are as they were.
    """
    path = Path(log.path)
    older = [path.with_name(f"{path.name}.{number}") for number in range(1, log.keep + 1)]
    if not older and log.reopen:
        path.unlink()
    elif log.reopen:
        _make_room(older)
        path.replace(older[0])
    elif older:
        _copy_and_empty(path, older, max(FAR_BEYOND, (log.keep + 1) * log.max_bytes))
    else:
        os.truncate(path, 0)


def clear(log: LogSpec) -> None:
    """Remove what is left of a rotation that was cut off by the end of its process."""
    if log.max_bytes and not _is_under_way(log):
        with contextlib.suppress(OSError):
            part_of(Path(log.path)).unlink()


def part_of(path: Path) -> Path:
    """Where the copy is made."""
    return path.with_name(f"{path.name}.part")


def _copy_and_empty(path: Path, older: list[Path], most: int) -> None:
    part = part_of(path)
    with path.open("r+b", buffering=0) as source:
        try:
            with part.open("wb", buffering=0) as target:
                part.chmod(0o600)
                _skip(source, target, most)
                left = most - _copy(source, target, most)
                _make_room(older)
                part.replace(older[0])
                _copy(source, target, left)  # what came meanwhile
                source.truncate(0)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def _skip(source: FileIO, target: FileIO, most: int) -> None:
    """Go to a line from which on there is not too much, and tell the reader of the copy."""
    too_much = os.fstat(source.fileno()).st_size - most
    if too_much <= 0:
        return
    source.seek(too_much + most // 2)
    start = source.tell() + source.read(BLOCK).find(b"\n") + 1  # a longer line is cut
    source.seek(start)
    _write(target, b"[orch: the %d bytes before this were too many to be kept]\n" % start)


def _copy(source: FileIO, target: FileIO, most: int) -> int:
    """Copy to the end, as it is then, but at most `most` bytes; return how many there were."""
    copied = 0
    while data := source.read(min(BLOCK, most - copied)):
        _write(target, data)
        copied += len(data)
    return copied


def _write(target: FileIO, data: bytes) -> None:
    while data:
        data = data[target.write(data) :]


def _make_room(older: list[Path]) -> None:
    """Move the older ones on, as far as the first gap: one that was cut off has left it."""
    last = next((n for n, path in enumerate(older) if not path.exists()), len(older) - 1)
    for number in range(last, 0, -1):
        older[number - 1].replace(older[number])


def _is_under_way(log: LogSpec) -> bool:
    return any(thread.name == _name(log) for thread in threading.enumerate())


def _name(log: LogSpec) -> str:
    return f"rotates {log.path}"
