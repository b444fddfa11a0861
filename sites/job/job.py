"""What is known of a job."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock
from sites.job.state import ACTIVE, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sites.job.ref import JobRef


@dataclass(frozen=True, slots=True)
class Job:
    """The record of a job; times are seconds since 1970 on the server's clock."""

    ref: JobRef
    state: JobState
    definition: str
    created_at: float
    started_at: float | None
    finished_at: float | None
    served_at: float
    seeded: bool
    items: int
    blocked: int
    unchanged: int
    reason: str
    error: str
    last_result: str
    begun_at: float | None = (
        None  #: when it was made pending or running last: its time counts from then
    )
    moved_at: float | None = None  #: when a look found first that `moved` pages have ended
    moved: int = 0
    stalled: bool = False  #: that was told
    over: str = ""  #: which bound of time it has reached, if it is being stopped for that

    @property
    def active(self) -> bool:
        """Whether somebody works on it, or is about to."""
        return self.state in ACTIVE


def new_job_id(after: str = "", clock: Clock = SYSTEM) -> str:
    """Return 12 hex digits that sort behind `after`, whatever the clock has done meanwhile.

    42 bits of milliseconds since 1970 (until 2109) and 6 random ones.
    """
    made = (int(clock.wall() * 1000) << 6 | secrets.randbits(6)) & (1 << 48) - 1
    return f"{max(made, int(after or '0', 16) + 1):012x}"


def job_of(ref: JobRef, reply: Mapping[Any, Any]) -> Job | None:
    """Read the hash of a record, as the client replies with it; None when it is empty."""
    facts: dict[str, str] = dict(reply)
    if "state" not in facts:
        return None
    return Job(
        ref=ref,
        state=JobState(facts["state"]),
        definition=facts["definition"],
        created_at=float(facts["created_at"]),
        started_at=_number(facts, "started_at"),
        finished_at=_number(facts, "finished_at"),
        served_at=_number(facts, "served_at") or 0.0,
        seeded="seeded" in facts,
        items=int(facts.get("items", 0)),
        blocked=int(facts.get("blocked", 0)),
        unchanged=int(facts.get("unchanged", 0)),
        reason=facts.get("reason", ""),
        error=facts.get("error", ""),
        last_result=facts.get("last_result", "0-0"),
        begun_at=_number(facts, "begun_at"),
        moved_at=_number(facts, "moved_at"),
        moved=int(facts.get("moved", 0)),
        stalled="stalled" in facts,
        over=facts.get("over", ""),
    )


def _number(facts: Mapping[str, str], name: str) -> float | None:
    return float(facts[name]) if name in facts else None
