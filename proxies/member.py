"""The work of one member of the chord: its chunk from Redis, the sweep, its report to Redis."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.celery_app import progress
from orchestrator.core.clock import SYSTEM
from orchestrator.core.redis import RedisError
from proxies import pace
from proxies.chunk import Sample
from proxies.findings import Report
from proxies.model import parse
from proxies.progress import RefreshRecord
from proxies.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """Chunk `index` of a refresh. It may run again after a kill: its report counts once."""

    context: Context
    job_id: str
    index: int

    def run(self) -> None:
        """Check the chunk and report; a failure costs only this chunk."""
        if not self._record.wants(self.index):
            return
        try:
            report, sample = self._check()
        except Exception as error:
            log.exception("chunk %d of refresh %s failed", self.index, self.job_id)
            report, sample = Report(problem=f"a chunk failed: {type(error).__name__}"), None
        if self._record.record(self.index, report.as_json(), report.checked) and sample:
            pace.remember(self.context.redis, self.context.keys, sample)

    @property
    def _record(self) -> RefreshRecord:
        return RefreshRecord(self.context.redis, self.context.keys, self.job_id)

    def _check(self) -> tuple[Report, Sample]:
        urls = self._record.chunk(self.index)
        started = SYSTEM.monotonic()
        sweep, report = asyncio.run(self._sweep(urls, server_time(self.context.redis)))
        return report, Sample(report.checked, SYSTEM.monotonic() - started, sweep.busy)

    async def _sweep(self, urls: list[str], now: Callable[[], float]) -> tuple[Sweep, Report]:
        redis = self.context.async_redis()

        async def beat(checked: int) -> bool:
            try:
                return await self._record.beat(self.index, checked).run_async(redis)
            except RedisError as error:
                log.warning("no sign of life to Redis: %s", error)
                return True

        sweep = Sweep(self.context.settings.proxies, now, beat)
        try:
            async with progress.signs():
                return sweep, await sweep.run([parse(url) for url in urls])
        finally:
            await redis.aclose()


def server_time(redis: Redis) -> Callable[[], float]:
    """Return a clock that shows the server's time without asking it again."""
    seconds, micros = redis.time()
    offset = seconds + micros / 1e6 - SYSTEM.monotonic()
    return lambda: round(SYSTEM.monotonic() + offset, 3)
