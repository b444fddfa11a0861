"""What a work queue holds and hands out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Priorities reach from minus this to this: beyond it the order of leasing would not be exact.
MAX_PRIORITY = 4000


class QueueState(StrEnum):
    """Where a job stands; the store keeps the first letter."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    SKIPPED = "skipped"
    ERROR = "error"


#: States that a job never leaves.
ENDED = frozenset({QueueState.DONE, QueueState.SKIPPED, QueueState.ERROR})


@dataclass(frozen=True, slots=True)
class NewJob:
    """Something to be done. `id` makes it idempotent: an id that was ever known is ignored.

    Lower `priority` first, in order of arrival within one; not before `delay` seconds from now.
    """

    id: str
    payload: str = "{}"
    priority: int = 0
    delay: float = 0.0

    def __post_init__(self) -> None:
        if not self.id:
            raise ValueError("a job needs an id")
        if abs(self.priority) > MAX_PRIORITY:
            raise ValueError(f"priority must be from {-MAX_PRIORITY} to {MAX_PRIORITY}")


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that is ours until the lease runs out; `token` proves it, `attempt` counts from 1."""

    id: str
    token: str
    payload: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Result:
    """What a commit adds to the stream of results.

    The entry has `body` (JSON), `bytes` (of the body, as added to the counter `bytes_key`) and
    whatever is in `fields`.
    """

    body: str
    stream: str
    bytes_key: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stats:
    """How many jobs stand where; `delayed` are those of `queued` that wait for their time.

    `refused` counts, each time, the new jobs that a queue at its bound did not take.
    """

    queued: int = 0
    delayed: int = 0
    in_progress: int = 0
    done: int = 0
    skipped: int = 0
    error: int = 0
    refused: int = 0

    @property
    def live(self) -> int:
        """Jobs that have not ended."""
        return self.queued + self.in_progress

    @property
    def total(self) -> int:
        """Every job ever enqueued."""
        return self.live + self.done + self.skipped + self.error
