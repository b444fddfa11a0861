"""Commands that do not outlive us, even when we are killed: the warden ends them then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.core import warden
from orchestrator.core.warden import MARK, Leader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Tie:
    """One command on the leash; its environment must have `environment` in it."""

    def __init__(self, leash: Leash, token: str) -> None:
        self._leash = leash
        self._token = token
        self._leader: Leader | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What the command, and all that it starts, is known by."""
        return {MARK: self._token}

    def to(self, pid: int) -> None:
        """The command runs, in a session of its own."""
        self._leader = Leader(pid, warden.start_time(pid))
        self._leash.tell(self._token, f"={self._token} {pid} {self._leader.started}\n")

    def cut(self) -> None:
        """Kill all that is left of the command, also what left its session."""
        for _ in range(
            warden.GRACE_LOOKS
        ):  # what forks while it is looked for is found by a later look
            if not warden.send({self._token: self._leader}, signal.SIGKILL):
                return


class Leash:
    """The pipe to our warden, a process that is started with the first command."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._warden: subprocess.Popen[bytes] | None = None
        self._live: dict[str, str] = {}

    @contextmanager
    def tie(self) -> Iterator[Tie]:
        """Tie what is started in this context; when we end inside it, by whatever, so does that.

        Raises:
            OSError: the warden cannot be started.
        """
        token = os.urandom(16).hex()
        try:
            self.tell(token, f"+{token}\n")
            yield Tie(self, token)
        finally:
            self.tell(token, f"-{token}\n")

    def tell(self, token: str, line: str) -> None:
        """Tell the warden; one that was killed is replaced, and told of all that runs."""
        with self._lock:
            if line.startswith("-"):
                self._live.pop(token, None)
            else:
                self._live[token] = line
            told = self._warden is not None and _told(self._warden, line)
            if self._live and not told:
                self._warden = _start_warden()
                _told(self._warden, "".join(self._live.values()))

    def forget(self) -> None:
        """We are a fork: the warden is not ours, and must not wait for our end of its pipe."""
        if self._warden and self._warden.stdin:
            self._warden.stdin.close()
        self._lock, self._warden, self._live = threading.Lock(), None, {}


def _start_warden() -> subprocess.Popen[bytes]:
    # Nobody who looks for processes by our names shall take it for one of the project's.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORCH_")}
    return subprocess.Popen(
        [sys.executable, "-I", "-S", warden.__file__, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
        bufsize=0,
        start_new_session=True,
    )


def _told(process: subprocess.Popen[bytes], text: str) -> bool:
    """Write to a warden; False when it has ended."""
    assert process.stdin  # noqa: S101  (a pipe was asked for)
    if process.poll() is None:
        try:
            process.stdin.write(text.encode())
        except BrokenPipeError:
            process.poll()
        else:
            return True
    process.stdin.close()
    return False


LEASH = Leash()
os.register_at_fork(after_in_child=LEASH.forget)
