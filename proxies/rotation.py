"""Picking a proxy for each request, on the side of the shard that makes it.

All workers share the pool, and what requests found out, through Redis; each shard keeps a snapshot of
the pool that is at most a second old, and picks from it without asking anybody.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.backoff import Backoff
from orchestrator.core.redis import RedisError
from proxies.pool import PoolState, report, state_of

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import AsyncRedis
    from proxies.model import Proxy
    from proxies.pool import Record

log = logging.getLogger(__name__)

#: How old the snapshot may become, in seconds.
SNAPSHOT_S = 1.0
#: How long a proxy rests after its first, second, … failure in a row.
COOLDOWN = Backoff(base=2.0, cap=60.0)


@dataclass(slots=True)
class Rotation:
    """For one event loop. Every pick is followed by one `report`, `rest` or `release`."""

    redis: AsyncRedis
    keys: Keys
    fresh_for: float
    _usable: list[Record] | None = None
    _known: dict[str, int] = field(default_factory=dict)
    _read_at: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _in_flight: Counter[str] = field(default_factory=Counter)
    _picks: Counter[str] = field(default_factory=Counter)
    _failures: Counter[str] = field(default_factory=Counter)
    _rests_until: dict[str, float] = field(default_factory=dict)

    async def pick(self, site: str) -> Proxy | None:
        """Return the usable proxy with the fewest requests in flight here; None when all rest.

        None never means that the request may go out directly. All sites share one rotation of the
        pool until proxies are scored by site.

        Raises:
            RedisError: the pool could never be read.
        """
        del site
        await self._look()
        now = asyncio.get_running_loop().time()
        free = [
            record
            for record in self._usable or ()
            if self._rests_until.get(record.proxy.key, 0) <= now
        ]
        if not free:
            return None
        chosen = min(free, key=self._load).proxy
        self._in_flight[chosen.key] += 1
        self._picks[chosen.key] += 1
        return chosen

    async def report(self, proxy: Proxy, *, ok: bool) -> None:
        """Say whether the proxy did its part; what the site answered through it is not its fault."""
        self.release(proxy)
        if ok:
            failed = self._failures.pop(proxy.key, 0) or self._known.get(proxy.key, 0)
            self._rests_until.pop(proxy.key, None)
        else:
            failed = self._cool_down(proxy)
        if failed:  # that one without failures works is no news
            await self._tell_pool(proxy, ok=ok)

    def rest(self, proxy: Proxy) -> None:
        """Say that it may have failed: it is not picked here for a while, and the pool is not told."""
        self.release(proxy)
        self._cool_down(proxy)

    def release(self, proxy: Proxy) -> None:
        """Give a pick back without a verdict: the request was not made."""
        self._in_flight[proxy.key] -= 1
        if self._in_flight[proxy.key] <= 0:
            del self._in_flight[proxy.key]

    def _cool_down(self, proxy: Proxy) -> int:
        failed = self._failures[proxy.key] = self._failures[proxy.key] + 1
        until = asyncio.get_running_loop().time() + COOLDOWN.delay(failed)
        self._rests_until[proxy.key] = until
        return failed

    def _load(self, record: Record) -> tuple[int, int]:
        return self._in_flight[record.proxy.key], self._picks[record.proxy.key]

    async def _look(self) -> None:
        """Read the pool again when the snapshot is too old; one reader serves all who wait."""
        loop = asyncio.get_running_loop()
        async with self._reading:
            if loop.time() - self._read_at < SNAPSHOT_S:
                return
            try:
                state = await self._read()
                self._usable = state.usable(self.fresh_for)
                self._known = {r.proxy.key: r.failures for r in state.records if r.failures}
            except RedisError as error:
                if self._usable is None:
                    raise
                log.warning("the pool cannot be read, the last snapshot serves on: %s", error)
            self._read_at = loop.time()

    async def _read(self) -> PoolState:
        # As in `Pool.state`: no transaction, and the generation first.
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self.keys.pool_meta())
            pipe.hgetall(self.keys.pool())
            pipe.hgetall(self.keys.pool_failures())
            pipe.time()
            meta, pool, failures, now = await pipe.execute()
        return state_of(pool, failures, meta, now)

    async def _tell_pool(self, proxy: Proxy, *, ok: bool) -> None:
        """Share the verdict; a failure to do so costs the others only this one verdict."""
        reporting = report(self.keys, proxy, ok=ok)
        try:
            await reporting.run_async(self.redis)
        except RedisError as error:
            log.warning("the pool was not told about %s: %s", proxy.masked, error)
