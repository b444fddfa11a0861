"""How the jobs stand, for people and programs: read only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.queues import SHARDS
from orchestrator.core.redis import refuses_writes
from orchestrator.gate.notice import told
from orchestrator.gate.view import glance
from orchestrator.nodes.registry import Nodes
from orchestrator.queue.redis import RedisQueue
from sites.job.counts import counts
from sites.job.stall import ended, stalled
from sites.job.state import ACTIVE, JobState
from sites.shared.record import Records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.home import Home
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from orchestrator.queue.model import Stats
    from sites.job.job import Job


@dataclass(frozen=True, slots=True)
class Pace:
    """How a job gets on: pages per second, and why it does not, if so; `stuck`: nobody can work on it."""

    rate: float = 0.0
    reason: str = ""
    stuck: bool = False
    now: float = 0.0

    def health(self, job: Job, pages: int) -> tuple[str, str]:
        """Return ok, waiting or stalled, and why; `pages` have ended."""
        if self.stuck:
            return "stalled", self.reason
        if still := stalled(job, pages, self.now, self.reason):
            return "stalled", still
        reason = self.reason or (job.reason if job.state is JobState.PENDING else "")
        return ("waiting", reason) if reason else ("ok", "")


class StatusReader:
    """Reads the rows of `orch sites status`; of `home` is what its workers say beside Redis."""

    def __init__(self, redis: Redis, keys: Keys, home: Home | None = None) -> None:
        self._redis = redis
        self._keys = keys
        self._home = home
        self._records = Records(redis, keys)

    def rows(self, sites: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return a row for the newest job of each of `sites`, or of all that ever ran, by name."""
        refs = [ref for ref in self._records.all_current() if sites is None or ref.site in sites]
        jobs = (self._records.read(ref) for ref in refs)
        alone = told(str(self._home.run)) if self._home else {}
        return [self._row(job, alone.get(job.ref.site, "")) for job in jobs if job]

    def _row(self, job: Job, alone: str) -> dict[str, Any]:
        ref = job.ref
        stats = RedisQueue(self._redis, self._keys.frontier(ref.site, ref.id)).stats()
        pace = self._pace(job)
        health, why = pace.health(job, ended(stats))
        rate = pace.rate if job.active else _mean_rate(job, stats)
        judged = stats.done + stats.error
        gate = glance(self._redis, self._keys, [ref.site])[ref.site]
        return {
            "site": ref.site,
            "job_id": ref.id,
            "engine": "celery",
            "state": str(job.state),
            "health": health,
            "reason": why or (alone if job.active else "") or job.reason,
            **counts(job, stats),
            "in_flight": stats.in_progress,
            "rate_per_s": round(rate, 2),
            "success_rate": round(stats.done / judged, 4) if judged else None,
            "breaker": gate["breaker"],
            "rate_set_per_s": gate["set_per_s"],
            "started_at": job.started_at,
            "finished_at": job.finished_at,
            "eta_s": round(stats.live / rate, 1) if job.active and rate > 0 else None,
            "error": job.error,
        }

    def _pace(self, job: Job) -> Pace:
        """Ask the live shards; a dead one's words do not count."""
        if job.state not in ACTIVE:
            return Pace()
        site, job_id = job.ref.site, job.ref.id
        full = refuses_writes(self._redis, self._keys.probe())
        if full:
            return Pace(reason=f"Redis {full}", stuck=True)
        seconds, micros = self._redis.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        holders = self._redis.zrangebyscore(
            self._keys.job(site, job_id, "shards"), f"({now_ms}", "+inf"
        )
        paces: dict[object, str] = dict(self._redis.hgetall(self._keys.job(site, job_id, "pace")))  # type: ignore[arg-type]
        reason = self._redis.get(self._keys.job(site, job_id, "health")) if holders else None
        rate = sum(float(paces.get(holder, 0.0)) for holder in holders)
        nobody = "" if holders or job.state is JobState.STOPPING else self._nobody()
        return Pace(rate, str(nobody or reason or ""), bool(nobody), now_ms / 1000)

    def _nobody(self) -> str:
        """Say why there is nobody to work on a job; "" when there is."""
        nodes = Nodes(self._redis, self._keys).live()
        able = [node for node in nodes if SHARDS in node.takes]
        if able:
            return "" if any(not node.short for node in able) else able[0].short
        return "no worker that takes shards is running" if nodes else "no worker is running"


def _mean_rate(job: Job, stats: Stats) -> float:
    if not job.started_at or not job.finished_at or job.finished_at <= job.started_at:
        return 0.0
    return (stats.done + stats.error + stats.skipped) / (job.finished_at - job.started_at)
