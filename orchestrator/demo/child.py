"""A process of the demo's world: in a group of its own, tied to us, and ended for certain."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import DeadlinePassed, ServiceFailed
from orchestrator.core.files import tail
from orchestrator.demo import tether

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

#: How long a process may take over its own ending before it is killed.
GRACE_S = 1.0
#: How often we look whether something has happened.
LOOK_EVERY_S = 0.01


class Child:
    """A module run as a program, as `python -m MODULE` would, for as long as this context lasts.

    It leads a session and group of its own, so Ctrl+C reaches only us, and `tether` ends it when we
    are gone without a word. Its first line on stdout may be JSON that says where it listens.
    """

    def __init__(
        self, label: str, module: str, *arguments: str, folder: Path, cwd: Path | None = None
    ) -> None:
        self.label = label
        self.command = [module, *arguments]
        self._cwd = cwd or folder
        self._output = folder / f"{label}.out"
        self._errors = folder / f"{label}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, environment: Mapping[str, str], *options: str) -> Self:
        """Start it with nothing but `environment`; `options` are the interpreter's own."""
        command = [sys.executable, *(options or ("-P",)), tether.__file__, *self.command]
        with self._output.open("wb") as output, self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=self._cwd,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process, and the name of its group."""
        if self._process is None:
            raise ServiceFailed(self.label, "was not started")
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended; it is not waited for, so its pid stays its own."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if self._process is None or self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def announcement(self, deadline: Deadline, check: Callable[[], None]) -> dict[str, Any]:
        """Wait for the line on stdout that says where it listens.

        Raises:
            ServiceFailed: it ended without one.
            DeadlinePassed: it said nothing in time.
        """

        def said() -> bool:
            check()
            return b"\n" in self._output.read_bytes() or self.ended

        if not wait_until(said, deadline, every=LOOK_EVERY_S):
            raise DeadlinePassed(f"the demo's {self.label} did not start in time")
        first, _, _ = self._output.read_bytes().partition(b"\n")
        try:
            spoken = json.loads(first)
        except ValueError:
            spoken = None
        if not isinstance(spoken, dict):
            raise ServiceFailed(self.label, "did not start", tail(self._errors))
        return spoken

    def stop(self) -> None:
        """End it and everything in its group: TERM, a second of grace, KILL."""
        if self._process is None or self._process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        wait_until(lambda: self.ended, Deadline.after(GRACE_S), every=LOOK_EVERY_S)
        self._signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _signal(self, number: signal.Signals) -> None:
        """Signal the group, whose leader was not waited for: the number is still its own."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for zombies
            os.killpg(self.pid, number)
