"""The last refreshes: what each of them found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.keys import RETENTION_S

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis

#: So many are remembered.
KEPT = 20
_FIELDS = ("status", "started_at", "completed_at", "summary")
_COUNTS = ("candidates", "checked", "live", "usable", "kept")


@dataclass(frozen=True, slots=True)
class History:
    """The ids of refreshes that have ended, in Redis; what is told of them is in their records."""

    redis: Redis
    keys: Keys

    def note(self, job_id: str) -> None:
        """Remember one that has just ended; called once for each."""
        key = self.keys.refresh_ended()
        with self.redis.pipeline() as pipe:
            pipe.lpush(key, job_id)
            pipe.ltrim(key, 0, KEPT - 1)
            pipe.expire(key, RETENTION_S)
            pipe.execute()

    def rows(self) -> list[dict[str, Any]]:
        """What each found, the newest first."""
        ids = [str(each) for each in self.redis.lrange(self.keys.refresh_ended(), 0, -1)]
        with self.redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.mget([self.keys.refresh(job_id, name) for name in _FIELDS])
            read = pipe.execute()
        return [
            _row(job_id, *values) for job_id, values in zip(ids, read, strict=True) if values[0]
        ]


def _row(
    job_id: str, status: str, started: str | None, completed: str | None, summary: str | None
) -> dict[str, Any]:
    said = json.loads(summary) if summary else {}
    began, ended = (float(text) if text else None for text in (started, completed))
    took = None if began is None or ended is None else round(max(0.0, ended - began), 1)
    return {
        "job_id": job_id,
        "status": status,
        "completed_at": ended,
        "seconds": took,
        **{name: said.get(name, 0) for name in _COUNTS},
        "reasons": said.get("reasons", {}),
        "problems": said.get("problems", []),
    }
