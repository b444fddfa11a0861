"""What happened, as lines of JSON with stable dotted names, for people and programs to follow."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The file is renamed to `.1` beyond this size, so that two of them are the most there is.
ROTATE_BYTES = 5_000_000


class EventLog:
    """Appends events such as `service.ready` to `path`; a full disk costs the line, not the caller.

    `echo` is given a plain line of each, for somebody who watches. Any number of processes may append;
    one of them `rotates` the file.
    """

    def __init__(
        self,
        path: Path,
        clock: Clock = SYSTEM,
        echo: Callable[[str], object] | None = None,
        *,
        rotates: bool = True,
    ) -> None:
        self._path = path
        self._clock = clock
        self._echo = echo
        self._rotates = rotates

    def write(self, name: str, **fields: object) -> None:
        """Append one event: `{"at": seconds since 1970, "event": name, …}`."""
        line = json.dumps({"at": round(self._clock.wall(), 3), "event": name, **fields})
        self._tell(" ".join([name, *(f"{key}={value}" for key, value in fields.items())]))
        try:
            self._rotate()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            with contextlib.suppress(OSError):  # the log that stderr goes to may be on that disk
                sys.stderr.write(f"events: {error.strerror}: {line}\n")
                sys.stderr.flush()

    def _tell(self, line: str) -> None:
        if self._echo is not None:
            try:
                self._echo(line)
            except OSError:
                self._echo = None  # who watched has gone

    def _rotate(self) -> None:
        if self._rotates and self._path.exists() and self._path.stat().st_size > ROTATE_BYTES:
            self._path.replace(self._path.with_suffix(".1"))
