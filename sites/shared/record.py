"""What is known of each job, and the one way in which its state changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.script import Call, load
from sites.job.job import Job, job_of, new_job_id
from sites.job.ref import JobRef
from sites.shared.move import SCRIPT, move_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from sites.job.state import JobState


#: What the script replies with when somebody else has seen to a moment.
_SEEN_TO = -2


class Records:
    """The records of all jobs."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    def create(self, site: str, definition: str) -> tuple[JobRef, bool]:
        """Make a job, unless the site's newest one is active; return it and whether it is new."""
        while True:
            made, ref = self._create(site, definition, ("", ""))
            if made >= 0:
                return ref, bool(made)

    def create_due(
        self, site: str, definition: str, seen: str, moment: str
    ) -> tuple[JobRef, bool] | None:
        """Make a job as `create` does, and note in the same step that a `moment` was seen to.

        None: `seen` is no longer the last one, so somebody else has done it.
        """
        while True:
            made, ref = self._create(site, definition, (seen, moment))
            if made == _SEEN_TO:
                return None
            if made >= 0:
                return ref, bool(made)

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

    def move(
        self,
        ref: JobRef,
        to: JobState,
        *,
        reason: str = "",
        idle: bool = False,
        unfinished: bool = False,
    ) -> bool:
        """Move the job to `to` if that is legal; with `idle`, only when no shard works on it.

        It does not end with pages left, unless as `unfinished`. Tells whether it moved.
        """
        names, words = move_words(
            self._keys, ref, to, reason=reason, idle=idle, unfinished=unfinished
        )
        return Call(load("sites.shared", *SCRIPT), names, words, lambda reply: bool(reply[0])).run(
            self._redis
        )

    def _members(self, key: str) -> list[JobRef]:
        return sorted(JobRef.parse(str(member)) for member in self._redis.smembers(key))

    def _create(self, site: str, definition: str, due: tuple[str, str]) -> tuple[int, JobRef]:
        keys, old = self._keys, str(self._redis.hget(self._keys.current_jobs(), site) or "")
        ref = JobRef(site, new_job_id(after=old))
        names = [
            keys.current_jobs(),
            keys.job(ref.site, old or "none", "record"),
            keys.job(ref.site, ref.id, "record"),
            keys.active_jobs(),
            keys.jobs(),
            keys.ended_jobs(),
            keys.due_jobs(),
        ]
        words = [site, old, ref.id, definition, *due]
        reply = Call(load("sites.shared", "create"), names, words, list).run(self._redis)
        return int(reply[0]), JobRef(site, str(reply[1]))
