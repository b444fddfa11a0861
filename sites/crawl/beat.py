"""What those who work on a job say, again and again, and what they hear then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sites.job.state import JobState

#: How often that is, in seconds.
BEAT_EVERY_S = 0.25
#: What a job that has no shard leaves to ask the others for a slot; a refresh leaves another word.
WANTED_BY_SITES = "sites"


@dataclass(frozen=True, slots=True)
class Beat:
    """What a shard learns when it renews its lease; `wanted_by` says who waits for its slot.

    `trouble` is why no job gets on, whatever its pages do.
    """

    held: bool
    state: JobState | None
    live: int
    backlog: int
    wanted_by: str
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Word:
    """What a shard says when it renews its lease: its pace, and why it does not get on."""

    rate: float = 0.0
    reason: str = ""
