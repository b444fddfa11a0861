"""How the jobs stand, for people and programs: read only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.queues import SHARDS
from orchestrator.core.redis import refuses_writes
from orchestrator.gate.state import read_state
from orchestrator.nodes.registry import Nodes
from orchestrator.queue.redis import RedisQueue
from sites.record import Job, Records
from sites.state import ACTIVE, JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from orchestrator.queue.model import Stats


@dataclass(frozen=True, slots=True)
class Pace:
    """How a job gets on: pages per second, live shards, and why it does not, if so."""

    rate: float
    shards: int
    reason: str


class StatusReader:
    """Reads the rows of `orch sites status`."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._records = Records(redis, keys)

    def rows(self, sites: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return a row for the newest job of each of `sites`, or of all that ever ran, by name."""
        refs = [ref for ref in self._records.all_current() if sites is None or ref.site in sites]
        jobs = (self._records.read(ref) for ref in refs)
        return [self._row(job) for job in jobs if job]

    def _row(self, job: Job) -> dict[str, Any]:
        ref = job.ref
        stats = RedisQueue(self._redis, self._keys.frontier(ref.site, ref.id)).stats()
        pace = self._pace(job)
        rate = pace.rate if job.active else _mean_rate(job, stats)
        judged = stats.done + stats.error
        return {
            "site": ref.site,
            "job_id": ref.id,
            "state": str(job.state),
            "health": "stalled" if pace.reason else "ok",
            "reason": pace.reason or job.reason,
            "pages_known": stats.total,
            "pages_done": stats.done,
            "pages_failed": stats.error,
            "pages_skipped": stats.skipped,
            "items": job.items,
            "in_flight": stats.in_progress,
            "rate_per_s": round(rate, 2),
            "success_rate": round(stats.done / judged, 4) if judged else None,
            "breaker": str(read_state(self._redis, self._keys, ref.site)["breaker"]),
            "started_at": job.started_at,
            "finished_at": job.finished_at,
            "eta_s": round(stats.live / rate, 1) if job.active and rate > 0 else None,
            "error": job.error,
        }

    def _pace(self, job: Job) -> Pace:
        """Ask the live shards; a dead one's words do not count."""
        if job.state not in ACTIVE:
            return Pace(0.0, 0, "")
        site, job_id = job.ref.site, job.ref.id
        full = refuses_writes(self._redis, self._keys.probe())
        if full:
            return Pace(0.0, 0, f"Redis {full}")
        seconds, micros = self._redis.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        holders = self._redis.zrangebyscore(
            self._keys.job(site, job_id, "shards"), f"({now_ms}", "+inf"
        )
        paces: dict[object, str] = dict(self._redis.hgetall(self._keys.job(site, job_id, "pace")))  # type: ignore[arg-type]
        reason = self._redis.get(self._keys.job(site, job_id, "health")) if holders else None
        rate = sum(float(paces.get(holder, 0.0)) for holder in holders)
        return Pace(rate, len(holders), str(reason or self._without(job, len(holders))))

    def _without(self, job: Job, shards: int) -> str:
        """Say why nobody works on a job, where somebody should."""
        if shards or job.state is JobState.STOPPING:
            return ""
        nodes = Nodes(self._redis, self._keys).live()
        if any(SHARDS in node.takes for node in nodes):
            return ""
        return "no worker that takes shards is running" if nodes else "no worker is running"


def _mean_rate(job: Job, stats: Stats) -> float:
    if not job.started_at or not job.finished_at or job.finished_at <= job.started_at:
        return 0.0
    return (stats.done + stats.error + stats.skipped) / (job.finished_at - job.started_at)
