"""The pool, read again and again: who is in it only when that has changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxies.pool.pool import PoolState, state_at, state_of

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis_async import AsyncRedis


class Reading:
    """For one event loop."""

    def __init__(self, redis: AsyncRedis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._last: PoolState | None = None

    async def read(self) -> PoolState:
        """The pool as it is now.

        Raises:
            RedisError: Redis does not answer.
        """
        # As in `Pool.state`: no transaction, and the generation first.
        meta, failures, now = await asyncio.gather(
            self._redis.hgetall(self._keys.pool_meta()),
            self._redis.hgetall(self._keys.pool_failures()),
            self._redis.time(),
        )
        last = self._last
        if last is not None and last.generation == int(meta.get("generation", 0)):
            verdicts = (record.verdict for record in last.records)
            self._last = state_at(verdicts, failures, meta, now)
        else:
            pool = await self._redis.hgetall(self._keys.pool())
            self._last = state_of(pool, failures, meta, now)
        return self._last
