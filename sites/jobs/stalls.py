"""Jobs that stand still: noticed, told, and told again when they go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sites.job.stall import ended, stalled

if TYPE_CHECKING:
    from orchestrator.core.events import EventLog
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from orchestrator.queue.model import Stats
    from sites.job.job import Job

#: The fields of a record that are kept here: how many pages had ended, since when, and that it was told.
MOVED, MOVED_AT, STALLED = "moved", "moved_at", "stalled"


@dataclass(frozen=True, slots=True)
class Stalls:
    """Looks at jobs that work; any number may look at once, and one tells."""

    redis: Redis
    keys: Keys
    events: EventLog

    def look(self, job: Job, stats: Stats, now: float) -> None:
        """Note whether the job gets on, and write an event when it begins or ceases to stand still."""
        record, pages = self.keys.job(job.ref.site, job.ref.id, "record"), ended(stats)
        about = {"site": job.ref.site, "job": job.ref.id}
        if job.moved_at is None or pages != job.moved:
            self.redis.hset(record, mapping={MOVED: pages, MOVED_AT: f"{now:.3f}"})
            if job.stalled and self.redis.hdel(record, STALLED):
                self.events.write("site.recovered", **about)
            return
        why = "" if job.stalled else stalled(job, pages, now, self._why(job))
        if why and self.redis.hsetnx(record, STALLED, f"{now:.3f}"):
            self.events.write("site.stalled", **about, reason=why)

    def _why(self, job: Job) -> str:
        """What its shards say."""
        return str(self.redis.get(self.keys.job(job.ref.site, job.ref.id, "health")) or "")
