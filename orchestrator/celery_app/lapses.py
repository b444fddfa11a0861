"""Leases of shards that ran out, as beat sees them: who held them is dead, and somebody should look now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.redis import RedisError

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis


class Lapses:
    """Each is told once; whoever looks after the jobs takes them away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._known: set[str] = set()

    def new(self) -> bool:
        """Tell whether a lease has run out since the last look; nobody knows while Redis is away."""
        try:
            found = self._found()
        except RedisError:
            return False
        new = found - self._known
        self._known = found
        return bool(new)

    def _found(self) -> set[str]:
        jobs = [str(job).partition(":") for job in self._redis.smembers(self._keys.active_jobs())]
        if not jobs:
            return set()
        seconds, micros = self._redis.time()
        now = int(seconds) * 1000 + int(micros) // 1000
        with self._redis.pipeline(transaction=False) as pipe:
            for site, _, job_id in jobs:
                pipe.zrangebyscore(self._keys.job(site, job_id, "shards"), "-inf", now)
            return {str(lease) for leases in pipe.execute() for lease in leases}
