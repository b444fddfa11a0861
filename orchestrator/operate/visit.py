"""Those who use the services for a while: the last to leave stops what they have started."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import Busy, NotRunning
from orchestrator.operate.launch import bring_down, request
from orchestrator.supervise.ownership import start_time

if TYPE_CHECKING:
    from orchestrator.core.home import Home

#: Who comes while somebody is stopping the services waits so long, in seconds.
COME_IN_S = 120.0
ASK_S = 5.0


class Visit:
    """Holds a shared `flock` while it lasts, so that a killed visitor has left too.

    A visitor that has started something and leaves while others are here writes it into that file for
    the last of them. What a killed one has started is nobody's to stop: it runs on, as `orch up` would.

    Raises:
        Busy: (on entering) the services are being stopped, for too long.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._handle = -1
        self._mine: dict[str, Any] | None = None
        self.stopping = 0  #: the pid of the supervisor, while it is being stopped

    def __enter__(self) -> Self:
        path = self._home.run / "visits"
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not wait_until(lambda: self._locked(fcntl.LOCK_SH), Deadline.after(COME_IN_S)):
            os.close(self._handle)
            raise Busy("the services are being stopped")
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def has_started(self, supervisor: int, services: list[str] | None = None) -> None:
        """Note what is to be stopped: the supervisor with this pid, or only some of its services."""
        self._mine = {"supervisor": [supervisor, start_time(supervisor)], "services": services}

    def leave(self, deadline: Deadline) -> bool:
        """If nobody else is here, stop what visitors have started; tell whether anything was.

        Raises:
            DeadlinePassed: it takes longer; it goes on by itself.
        """
        if self._mine is not None:
            self._write(_together(self._record(), self._mine))
        # First out, then alone in: of two that leave at once, the later one gets in.
        fcntl.flock(self._handle, fcntl.LOCK_UN)
        if not self._locked(fcntl.LOCK_EX):
            return False
        left = self._record()
        self._write(None)
        if left is None or not self._runs(left["supervisor"]):
            return False
        if left["services"] is None:
            self.stopping = left["supervisor"][0]
            try:
                return bool(bring_down(self._home, deadline))
            finally:
                self.stopping = 0
        request(self._home, "stop", left["services"], deadline)
        return True

    def _locked(self, how: int) -> bool:
        try:
            fcntl.flock(self._handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _record(self) -> dict[str, Any] | None:
        try:
            record: dict[str, Any] = json.loads(os.pread(self._handle, 65_536, 0))
        except ValueError:
            return None
        return record

    def _write(self, record: dict[str, Any] | None) -> None:
        os.ftruncate(self._handle, 0)
        if record is not None:
            os.pwrite(self._handle, json.dumps(record).encode(), 0)

    def _runs(self, supervisor: list[int]) -> bool:
        """Whether it is still the supervisor of this home, and no later one."""
        pid, started = supervisor
        try:
            now = request(self._home, "status", None, Deadline.after(ASK_S))["supervisor"]["pid"]
        except NotRunning:
            return False
        return bool(now == pid and start_time(pid) == started)


def _together(left: dict[str, Any] | None, mine: dict[str, Any]) -> dict[str, Any]:
    """What another has left for the last, and what is mine."""
    if left is None or left["supervisor"] != mine["supervisor"]:
        return mine
    if left["services"] is None or mine["services"] is None:
        return {**mine, "services": None}
    return {**mine, "services": sorted({*left["services"], *mine["services"]})}
