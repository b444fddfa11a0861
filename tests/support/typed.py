"""`orch` typed at a terminal of the test's own."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
from typing import TYPE_CHECKING, Self

from tests.support.orch import COMMAND, Orch, alive, eventually

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Typed:
    """A command in a session of its own, whose terminal we hold; what it shows is in `shown`.

    It leads the session, as with `ssh -t`, unless it is run by another command, `below`.
    """

    def __init__(
        self, orch: Orch, *words: str, below: Sequence[str] = (), **environment: str
    ) -> None:
        self.shown = ""
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            command = [*below, *COMMAND, *words]
            _become(orch, command, {"TERM": "xterm-256color", "COLUMNS": "120", **environment})
        os.set_blocking(self._master, False)
        self.code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal, as a window or a connection that ends does."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def shows(self, text: str, timeout: float = 30) -> None:
        eventually(lambda: self._read() and text in self.shown, timeout, f"{text!r} on the screen")

    def end(self, timeout: float = 30) -> int:
        """Wait for its end and return its exit code."""
        eventually(lambda: self._read() and not alive(self.pid), timeout, "the end of it")
        self._read()
        self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.code

    def _read(self) -> bool:
        if self._master < 0:
            return True
        with contextlib.suppress(OSError):  # nothing now, or nobody holds the other end any more
            while data := os.read(self._master, 65_536):
                self.shown += data.decode("utf-8", "replace")
        return True


def _become(orch: Orch, command: list[str], environment: Mapping[str, str]) -> None:
    try:
        os.chdir(orch.home)
        os.execvpe(command[0], command, {**orch.environment, **environment})  # noqa: S606
    finally:
        os._exit(127)
