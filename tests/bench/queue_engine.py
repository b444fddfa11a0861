"""What a queue in a file has to offer to be driven and measured.

This, and whatever imports it, also runs in the Python of other queues: only the standard library is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

#: An id and a payload.
New = tuple[str, str]
#: A payload, and what the engine needs for its ack.
Taken = tuple[str, Any]
LEASE_S = 300.0
#: So long a call waits for others who write.
LOCKED_S = 30.0


class Engine:
    """One queue; `can` tells what it offers: processes, leases, put many, turn many, wait."""

    can: ClassVar[frozenset[str]] = frozenset({"processes"})
    #: What a call raises when others held the file for too long.
    locked: tuple[type[Exception], ...] = (sqlite3.OperationalError,)

    def __init__(self, folder: Path, sync: str, lease_s: float = LEASE_S, **options: Any) -> None:
        self.lease_s = lease_s
        self.start(folder, sync, **options)

    def start(self, folder: Path, sync: str, **options: Any) -> None:
        """Open it, or make it."""
        raise NotImplementedError

    def prepare(self, jobs: Sequence[New]) -> Any:
        """What `put` wants; not timed."""
        return jobs

    def put(self, jobs: Any) -> None:
        """Add jobs, in one transaction."""
        raise NotImplementedError

    def add(self, jobs: Sequence[New]) -> None:
        """Add many as quickly as it goes; not timed."""
        self.put(self.prepare(jobs))

    def turn(self, taken: Sequence[Taken], n: int) -> list[Taken]:
        """Ack what was taken, and take up to `n` more."""
        raise NotImplementedError

    def ack(self, one: Taken) -> bool:
        """Ack it; whether that was taken."""
        self.turn([one], 0)
        return True

    def age(self, done: int, taken: int) -> None:
        """Let the oldest ones have ended, and the next ones be in flight."""

    def recover(self) -> None:
        """Take back what dead workers hold, if somebody has to do that."""

    def left(self) -> int:
        """How many jobs have not ended."""
        raise NotImplementedError

    def stats(self) -> None:
        """Count."""

    def send(self, job: New) -> None:
        """Add a job for `consume`."""
        self.put(self.prepare([job]))

    def consume(self, take: Callable[[str], object]) -> None:
        """Hand the payload of each job that comes to `take`, for ever, waiting as the engine waits."""
        raise NotImplementedError

    def close(self) -> None: ...
