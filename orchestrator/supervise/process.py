"""One running process of a service: started by us, or adopted from a supervisor that was killed."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import BinaryMissing, ServiceFailed
from orchestrator.core.warden import pidfd
from orchestrator.supervise.ownership import Identity, family, identify, related

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.clock import Clock
    from orchestrator.supervise.service import ServiceSpec

#: Who forks while it is looked for is found by the next look; nobody keeps that up for so many.
FAMILY_PASSES = 20


@dataclass(slots=True)
class Process:
    """A handle on a process; `pidfd` becomes readable when it ends (-1 where there are none)."""

    identity: Identity
    launch: str
    pidfd: int
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _code: int | None = None
    _selector: selectors.BaseSelector | None = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """Its pid."""
        return self.identity.pid

    @classmethod
    def start(cls, spec: ServiceSpec) -> Process:
        """Start the command in a session of its own, its output appended to the service's log.

        Raises:
            BinaryMissing: the command is not there.
            ServiceFailed: it cannot be started.
        """
        launch = os.urandom(16).hex()
        try:
            with open(spec.log.path, "ab") as log:  # noqa: PTH123  (a Path would be made for one call)
                child = subprocess.Popen(
                    spec.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=spec.cwd,
                    env={**os.environ, **spec.env, "ORCH_LAUNCH": launch},
                    start_new_session=True,
                )
        except FileNotFoundError as error:
            raise BinaryMissing(f"{spec.name}: {error.filename} is not there") from error
        except OSError as error:
            raise ServiceFailed(spec.name, f"cannot be started: {error.strerror}") from error
        return cls(identify(child.pid), launch, pidfd(child.pid), child)

    @classmethod
    def adopt(cls, identity: Identity, launch: str) -> Process | None:
        """Take over a process of an earlier supervisor; None when it is no longer there."""
        handle = pidfd(identity.pid)
        if not identity.alive:  # checked after opening: from here on the handle is this process
            _close(handle)
            cls(identity, launch, -1).ended()  # reaps a child of the program that we were before
            return None
        return cls(identity, launch, handle)

    def ended(self) -> bool:
        """Whether it has ended; a child of ours is reaped by this."""
        if self._child is not None:
            return self._child.poll() is not None
        if self.identity.alive:
            return False
        # A supervisor that replaced its own program has adopted its own children.
        with contextlib.suppress(ChildProcessError):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if not pid:  # its first thread has ended; the others still hold what it held
                return False
            self._code = os.waitstatus_to_exitcode(status)
        return True

    @property
    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal); None while it runs, or when it is no child of ours."""
        return self._child.returncode if self._child else self._code

    def signal(self, number: int) -> None:
        """Send a signal to this very process; one that is gone is no error."""
        with contextlib.suppress(ProcessLookupError):
            if self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, number)
            elif not self.ended():
                os.kill(self.pid, number)

    def kill_family(self) -> int:
        """Kill what the process left behind (its session, its token); return how many there were."""
        killed: set[int] = set()
        for _ in range(FAMILY_PASSES):
            found = set(family(self.pid, self.launch)) - killed
            if not found:
                break
            for pid in found:
                self._kill_relative(pid)
            killed |= found
        return len(killed)

    def _kill_relative(self, pid: int) -> None:
        handle = pidfd(pid)
        try:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if handle < 0:
                    os.kill(pid, signal.SIGKILL)
                elif related(
                    pid, self.pid, self.launch
                ):  # the handle holds on to whom we ask about
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            _close(handle)

    def watch(self, selector: selectors.BaseSelector) -> None:
        """Have `selector` wake when it ends."""
        if self.pidfd >= 0:
            selector.register(self.pidfd, selectors.EVENT_READ, None)
            self._selector = selector

    def close(self) -> None:
        """Give the handle back; the process itself is left alone."""
        if self._selector is not None:
            self._selector.unregister(self.pidfd)
        _close(self.pidfd)
        self.pidfd, self._selector = -1, None


def end_now(processes: Sequence[Process], clock: Clock, *, grace_s: float = 5.0) -> None:
    """Wait for the end of processes that nobody keeps: TERM, then KILL, then their families."""
    for process in processes:
        process.signal(signal.SIGTERM)
        process.signal(signal.SIGCONT)
    if not wait_until(lambda: _all_ended(processes), Deadline.after(grace_s, clock)):
        for process in processes:
            process.signal(signal.SIGKILL)
        wait_until(lambda: _all_ended(processes), Deadline.after(1.0, clock))
    for process in processes:
        process.kill_family()
        process.close()


def _all_ended(processes: Sequence[Process]) -> bool:
    return all(process.ended() for process in processes)


def _close(handle: int) -> None:
    if handle >= 0:
        os.close(handle)
