"""The desk of a job in Redis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.core.patience import patiently
from orchestrator.core.redis import RedisError
from sites.shared.shards import beat_call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from orchestrator.core.redis_async import AsyncRedis
    from sites.crawl.beat import Beat, Word
    from sites.job.ref import JobRef


@dataclass(frozen=True, slots=True)
class RedisDesk:
    """`Desk` of the shard `holder`; `most_undrained` bytes of results may wait to be drained."""

    client: AsyncRedis
    redis: Redis
    keys: Keys
    ref: JobRef
    holder: str
    most_undrained: int

    async def beat(self, word: Word) -> Beat | None:
        """See `Desk`."""
        try:
            beat = await beat_call(self.keys, self.ref, self.holder, word).run_async(self.client)
        except RedisError:  # the next one may come through
            return None
        if beat.backlog < self.most_undrained:
            return beat
        return replace(beat, trouble="results wait to be drained: is the service `results` well?")

    async def note(self, field: str, text: str) -> None:
        """See `Desk`."""
        await patiently(lambda: self.client.call("HSET", self._record, field, text))

    def count(self, counts: Mapping[str, int]) -> bool:
        """See `Desk`."""
        try:
            with self.redis.pipeline() as pipe:
                for name, count in counts.items():
                    pipe.hincrby(self._record, name, count)
                pipe.execute()
        except RedisError:
            return False
        return True

    @property
    def _record(self) -> str:
        return self.keys.job(self.ref.site, self.ref.id, "record")
