"""The one way in which a job changes its state, as the words of a script.

Standard library and keys only: the halt of all sites sends the same words without redis-py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sites.state import ACTIVE, FINISHED, JobState, sources

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys


@dataclass(frozen=True, slots=True, order=True)
class JobRef:
    """Which job is meant."""

    site: str
    id: str

    @classmethod
    def parse(cls, member: str) -> JobRef:
        """Read `site:job_id` as it stands in the sets of jobs.

        >>> JobRef.parse("books:0123456789ab")
        JobRef(site='books', id='0123456789ab')
        """
        site, _, job_id = member.partition(":")
        return cls(site, job_id)

    @property
    def member(self) -> str:
        """How it stands in the sets of jobs."""
        return f"{self.site}:{self.id}"


def move_words(
    keys: Keys, ref: JobRef, to: JobState, *, reason: str = "", idle: bool = False
) -> tuple[list[str], list[str]]:
    """Return keys and arguments for `lua/move.lua`, which checks that the move is legal.

    With `idle` the job moves only when no shard works on it.
    """
    names = [
        keys.job(ref.site, ref.id, "record"),
        keys.job(ref.site, ref.id, "shards"),
        keys.active_jobs(),
        keys.ended_jobs(),
        keys.results(),
    ]
    return names, [ref.member, to, reason, _kind(to), str(int(idle)), *sources(to)]


def _kind(state: JobState) -> str:
    if state in ACTIVE:
        return "active"
    return "finished" if state in FINISHED else "stopped"
