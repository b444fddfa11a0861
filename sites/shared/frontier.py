"""The frontier of a job in Redis, which the shards of all workers share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from orchestrator.core.patience import patiently
from orchestrator.core.redis import RedisError
from orchestrator.queue.model import QueueState, Result
from orchestrator.queue.redis import AsyncRedisQueue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis_async import AsyncRedis
    from orchestrator.queue.model import Lease, NewJob
    from sites.definition.limits import Limits
    from sites.job.ref import JobRef
    from sites.results.outcome import Outcome

#: A page that is not renewed for so long goes back to the frontier, in seconds.
PAGE_TTL_S = 8.0


class RedisFrontier:
    """`Frontier` in Redis; nothing is leased while `most_undrained` bytes of results wait there."""

    def __init__(
        self, client: AsyncRedis, keys: Keys, ref: JobRef, limits: Limits, most_undrained: int
    ) -> None:
        self._client = client
        self._keys = keys
        self._ref = ref
        self._limits = limits
        self._backlog = (keys.results_bytes(), most_undrained)
        self._queue = AsyncRedisQueue(client, keys.frontier(ref.site, ref.id))

    @property
    def epoch(self) -> int:
        """See `Frontier`: a server forgets between two connections."""
        return self._client.epoch

    async def lease(self, n: int) -> list[Lease]:
        """See `Frontier`."""
        backlog, most = self._backlog, self._limits.attempts
        return await patiently(
            lambda: self._queue.lease(n, PAGE_TTL_S, backlog=backlog, max_attempts=most)
        )

    async def live(self) -> int:
        """See `Frontier`."""
        return (await patiently(self._queue.stats)).live

    async def extend(self, held: Mapping[str, str]) -> list[str]:
        """See `Frontier`."""
        with contextlib.suppress(RedisError):
            return await self._queue.extend(held, PAGE_TTL_S)
        return []

    async def release(self, held: Mapping[str, str]) -> None:
        """See `Frontier`."""
        with contextlib.suppress(RedisError):
            await self._queue.release(held)

    async def commit(self, lease: Lease, outcome: Outcome, pages: Sequence[NewJob]) -> None:
        """See `Frontier`: one script, with the result in the stream of results."""
        facts = {"site": self._ref.site, "job": self._ref.id, "id": lease.id}
        stream, counter = self._keys.results(), self._keys.results_bytes()
        result = Result(outcome.to_json(), stream, counter, facts)
        await patiently(
            lambda: self._queue.commit(
                lease.id,
                lease.token,
                state=QueueState(outcome.state),
                reason=outcome.reason or None,
                result=result,
                new_jobs=pages,
                most=self._limits.pages,
            )
        )

    async def retry(self, lease: Lease, error: str, delay: float) -> None:
        """See `Frontier`."""
        await patiently(
            lambda: self._queue.fail_and_retry(lease.id, lease.token, error, delay=delay)
        )
