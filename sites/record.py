"""What is known of each job, and the one way in which its state changes."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.script import Call, load
from sites.move import JobRef, move_words
from sites.state import ACTIVE, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis


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
    reason: str
    error: str
    last_result: str

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


class Records:
    """The records of all jobs."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    def create(self, site: str, definition: str) -> tuple[JobRef, bool]:
        """Make a job, unless the site's newest one is active; return it and whether it is new."""
        while True:
            old = self._redis.hget(self._keys.current_jobs(), site) or ""
            ref = JobRef(site, new_job_id(after=str(old)))
            made, job_id = self._create(ref, str(old), definition).run(self._redis)
            if made >= 0:
                return JobRef(site, job_id), bool(made)

    def read(self, ref: JobRef) -> Job | None:
        """Return the record; None when there is none (any more)."""
        return job_of(ref, self._redis.hgetall(self._keys.job(ref.site, ref.id, "record")))

    def current(self, site: str) -> JobRef | None:
        """Return the newest job of `site`."""
        job_id = self._redis.hget(self._keys.current_jobs(), site)
        return JobRef(site, str(job_id)) if job_id else None

    def all_current(self) -> list[JobRef]:
        """Return the newest job of every site that ever had one, by name."""
        found = self._redis.hgetall(self._keys.current_jobs())
        return sorted(JobRef(str(site), str(job_id)) for site, job_id in found.items())

    def active(self) -> list[JobRef]:
        """Return the jobs that are pending, running or stopping."""
        return self._members(self._keys.active_jobs())

    def ended(self) -> list[JobRef]:
        """Return the jobs that wait to be drained and retired."""
        return self._members(self._keys.ended_jobs())

    def note(self, ref: JobRef, facts: Mapping[str, str]) -> None:
        """Keep facts that are no states."""
        self._redis.hset(
            self._keys.job(ref.site, ref.id, "record"),
            items=[word for pair in facts.items() for word in pair],
        )

    def move(self, ref: JobRef, to: JobState, *, reason: str = "", idle: bool = False) -> bool:
        """Move the job to `to` if that is legal; with `idle`, only when no shard works on it.

        Tells whether it moved.
        """
        names, words = move_words(self._keys, ref, to, reason=reason, idle=idle)
        return Call(load("sites", "move"), names, words, lambda reply: bool(reply[0])).run(
            self._redis
        )

    def _members(self, key: str) -> list[JobRef]:
        return sorted(JobRef.parse(str(member)) for member in self._redis.smembers(key))

    def _create(self, ref: JobRef, old: str, definition: str) -> Call[tuple[int, str]]:
        keys = self._keys
        names = [
            keys.current_jobs(),
            keys.job(ref.site, old or "none", "record"),
            keys.job(ref.site, ref.id, "record"),
            keys.active_jobs(),
            keys.jobs(),
            keys.ended_jobs(),
        ]
        words = [ref.site, old, ref.id, definition]
        return Call(load("sites", "create"), names, words, lambda reply: (int(reply[0]), reply[1]))


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
        reason=facts.get("reason", ""),
        error=facts.get("error", ""),
        last_result=facts.get("last_result", "0-0"),
    )


def _number(facts: Mapping[str, str], name: str) -> float | None:
    return float(facts[name]) if name in facts else None
