"""A service's proof of life: a small file that only the supervisor's current child can write."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.files import read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path


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
        """Say "ready and alive now", with further facts."""
        write_json(
            self.path,
            {"launch": self.launch, "pid": os.getpid(), "at": self.clock.monotonic(), **facts},
            durable=False,
        )


def read(path: Path) -> dict[str, Any] | None:
    """The facts that were written last; None without any."""
    facts = read_json(path)
    return facts if isinstance(facts, dict) else None
