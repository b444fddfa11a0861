"""A service's proof of life: a small file that only the supervisor's current child can write."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.errors import OrchError
from orchestrator.core.files import write_json

if TYPE_CHECKING:
    from pathlib import Path


#: No machine runs longer without a boot (10 years), in seconds; every date is beyond it.
LONGEST_MARK = 1_000_000
LATEST_UPTIME_S = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Mark:
    """Written by the service named by `$ORCH_SERVICE`; `launch` names this very start of it.

    The monotonic clock is one for all processes of a boot, so a reader may take the difference.
    """

    path: Path
    launch: str
    clock: Clock = SYSTEM

    @classmethod
    def of_this_process(cls, path: Path) -> Mark:
        """The mark of the service that this process was started as."""
        return cls(path, os.environ.get("ORCH_LAUNCH", ""))

    def write(self, **facts: object) -> None:
        """Say "ready and alive now", with further facts.

        The time stands in the file's own time stamp, by the monotonic clock: on a full disk no facts
        can be written, but a service that lives can still say so.

        Raises:
            OrchError: there is no mark yet, and none can be written.
        """
        now = self.clock.monotonic()
        try:
            write_json(
                self.path,
                {"launch": self.launch, "pid": os.getpid(), "at": now, **facts},
                durable=False,
            )
        except OrchError:
            if (read(self.path) or {}).get("launch") != self.launch:
                raise
        with contextlib.suppress(OSError):  # a removed folder costs the mark, not the service
            os.utime(self.path, (now, now))


def read(path: Path) -> dict[str, Any] | None:
    """The facts that were written last, `at` being the newest sign of life; None without any."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        raw, stamp = os.read(handle, LONGEST_MARK), os.fstat(handle).st_mtime
    except OSError:
        return None
    finally:
        os.close(handle)
    try:
        facts = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(facts, dict):
        return None
    # Between the writing and the stamping the stamp is a date, far beyond any time since boot.
    return {**facts, "at": max(stamp, facts["at"]) if stamp < LATEST_UPTIME_S else facts["at"]}
