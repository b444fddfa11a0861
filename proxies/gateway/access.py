"""The access log: one line for each request and tunnel, when it is over.

Lines are gathered and written a few times a second, whole and with one call, to a file that is only ever
appended to: it may be renamed or emptied by others at any time. It also keeps itself short. Of a URL the
query is left out, which often holds secrets, and of an upstream its credentials.
"""

from __future__ import annotations

import contextlib
import logging
import os
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.core.clock import SYSTEM, Clock

if TYPE_CHECKING:
    from pathlib import Path

    from proxies.gateway.route import Route
    from proxies.gateway.tries import Tries

log = logging.getLogger(__name__)

#: How often lines are written, in seconds.
WRITE_S = 0.25
#: So many bytes that could not be written are kept at most; beyond that lines are lost, and counted.
MOST_WAITING = 4_194_304
#: The file is renamed beyond this size, in bytes; so many old ones are kept.
LARGEST = 20_000_000
KEPT = 5


class Line(NamedTuple):
    """What is known of a request before it is carried out, and what became of it."""

    client: str
    route: Route
    method: str
    target: str
    status: int


class Carried(Protocol):
    """A request or a tunnel that is over."""

    tries: Tries

    @property
    def sent(self) -> int:
        """Bytes from the client."""
        ...

    @property
    def received(self) -> int:
        """Bytes to the client."""
        ...


class AccessLog:
    """Written to `path`; to nothing at all without one."""

    def __init__(self, path: Path | None, clock: Clock = SYSTEM) -> None:
        self.wanted = path is not None
        self._path = path
        self._clock = clock
        self._lines: list[str] = []
        self._waiting = 0
        self._lost = 0
        self._file = -1
        self._second = 0
        self._stamp = ""

    def add(self, line: Line, carried: Carried, seconds: float) -> None:
        """Note what is over."""
        tries = carried.tries.tried
        via = tries[-1].record.proxy.masked if tries else "-"
        route = f"{line.route}" or "-"
        text = (
            f"{self._now()} {line.client} {route} {line.method} {line.target} "
            f"{line.status} {carried.sent} {carried.received} {seconds:.3f} {len(tries)} {via}\n"
        )
        if self._waiting > MOST_WAITING:
            self._lost += 1
            return
        self._waiting += len(text)
        self._lines.append(text)

    def _now(self) -> str:
        now = self._clock.wall()
        second = int(now)
        if second != self._second:
            self._second = second
            self._stamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._stamp}.{int((now - second) * 1000):03d}Z"

    def write(self) -> None:
        """Write what was noted; what the disk does not take is tried again the next time."""
        if not self._lines or self._path is None:
            return
        if self._lost:
            self._lines.append(f"{self._now()} - {self._lost} lines were lost\n")
        data = "".join(self._lines).encode("utf-8", "backslashreplace")
        try:
            self._open(self._path)
            written = os.write(self._file, data)
        except OSError as error:
            log.warning("the access log cannot be written: %s", error)
            return
        # A disk that is nearly full takes a part: the rest of a line is worth less than lines to come.
        self._lost = 0 if written == len(data) else 1
        self._lines.clear()
        self._waiting = 0

    def close(self) -> None:
        """Write the rest, and close it."""
        self.write()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self, path: Path) -> None:
        """See to it that the file of that name is open, and not too large."""
        if self._file >= 0:
            size = self._size(path)
            if 0 <= size <= LARGEST:
                return
            os.close(self._file)
            self._file = -1
            if size > LARGEST:
                _turn(path)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _size(self, path: Path) -> int:
        """Its size; -1 when the file of that name is another one by now, or none."""
        ours = os.fstat(self._file)
        try:
            named = path.stat()
        except FileNotFoundError:
            return -1
        return ours.st_size if (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) else -1


def _turn(path: Path) -> None:
    """Rename the old ones: `.1` is the newest."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, KEPT + 1))]
    for newer, older in reversed(list(pairwise(names))):
        with contextlib.suppress(FileNotFoundError):
            newer.replace(older)
