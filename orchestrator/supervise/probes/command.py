"""Does a command of the user's say yes?"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from typing import TYPE_CHECKING

from orchestrator.core.warden import pidfd
from orchestrator.supervise.probes.result import ProbeResult, could_not_ask, milliseconds

if TYPE_CHECKING:
    from orchestrator.supervise.service import ProbeSpec


#: So long is waited for the end of one that was killed, in seconds; else it is looked for later.
END_S = 0.01
#: While so many that were killed have not ended (they wait for a disk that is gone), no other is started.
MOST_ENDING = 3


class CommandProbe:
    """Runs `spec.command`, which says yes by exit code 0; one that is late is killed with its group."""

    def __init__(
        self, spec: ProbeSpec, selector: selectors.BaseSelector, env: dict[str, str], cwd: str
    ) -> None:
        self._spec = spec
        self._selector = selector
        self._env = env
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None
        self._ending: list[subprocess.Popen[bytes]] = []
        self._pidfd = -1
        self._began = 0.0
        self._result: ProbeResult | None = None

    def reset(self, *, fresh: bool) -> None:
        """Nothing is remembered from one question to the next."""

    def begin(self, now: float, launch: str) -> None:
        """Start the command; its output is nobody's."""
        self.cancel()
        self._began, self._result = now, None
        self._ending = [child for child in self._ending if child.poll() is None]
        if len(self._ending) >= MOST_ENDING:
            text = f"{self._spec.command[0]}: {MOST_ENDING} that were killed have not ended"
            self._result = ProbeResult(ok=False, error=text)
            return
        try:
            self._child = subprocess.Popen(
                self._spec.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._cwd,
                env={**os.environ, **self._env, "ORCH_LAUNCH": launch},
                start_new_session=True,
            )
        except OSError as error:
            text = f"{self._spec.command[0]}: {error.strerror}"
            self._result = could_not_ask(error, text)
            return
        self._watch(self._child.pid)

    def poll(self, now: float) -> ProbeResult | None:
        """Its exit code, once it has ended."""
        if self._result is None and self._child is not None:
            code = self._child.poll()
            if code is not None:
                took = milliseconds(now - self._began)
                error = "" if code == 0 else f"{self._spec.command[0]} ended with {code}"
                self._result = ProbeResult(ok=code == 0, error=error, latency_ms=took)
            elif now - self._began >= self._spec.timeout_s:
                text = f"no answer within {self._spec.timeout_s:g} s"
                self._result = ProbeResult(ok=False, error=text)
            if self._result is not None:
                self.cancel()
        return self._result

    def cancel(self) -> None:
        """End the command, and whatever it started in its group."""
        if self._pidfd >= 0:
            self._selector.unregister(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._child is not None:
            if self._child.poll() is None:
                # It leads its session, and it has not been reaped: the number is still its own.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._child.pid, signal.SIGKILL)
                try:
                    self._child.wait(END_S)
                except subprocess.TimeoutExpired:
                    self._ending.append(self._child)
            self._child = None

    def _watch(self, pid: int) -> None:
        """Have the selector wake at the end; where that cannot be, the timeout's tick looks."""
        handle = pidfd(pid)
        if handle < 0:
            return
        try:
            self._selector.register(handle, selectors.EVENT_READ, None)
            self._pidfd = handle
        except OSError:  # the kernel watches as many as it can
            os.close(handle)
