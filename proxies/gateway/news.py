"""What the pool is told of its proxies: now, or when Redis is back."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from typing import TYPE_CHECKING

from orchestrator.core.redis import RedisError

if TYPE_CHECKING:
    from orchestrator.core.redis_async import AsyncRedis
    from proxies.pool.ledger import Ledger
    from proxies.pool.picker import Lease, Outcome, Picker

log = logging.getLogger(__name__)

#: As this site the pool hears of requests that named none.
UNNAMED = "gateway"
#: So many outcomes wait at most to be told; beyond that the oldest is forgotten.
MOST_TO_TELL = 10_000
#: So many are told at once.
AT_ONCE = 32


class News:
    """For one event loop. `tell` must run beside it."""

    def __init__(self, redis: AsyncRedis, ledger: Ledger, picker: Picker) -> None:
        self._redis = redis
        self._ledger = ledger
        self._picker = picker
        self._ended: deque[tuple[Lease, Outcome, float | None]] = deque(maxlen=MOST_TO_TELL)
        self._drawn: dict[str, tuple[Outcome, float]] = {}
        self._there = asyncio.Event()

    def ended(self, lease: Lease, outcome: Outcome, seconds: float | None) -> None:
        """What became of a pick of the pool's."""
        self._ended.append((lease, outcome, seconds))
        self._there.set()

    def drawn(self, key: str, outcome: Outcome, seconds: float | None) -> None:
        """What became of one that the pool did not pick; the last word of each is told at `hurry`."""
        self._drawn[key] = (outcome, seconds or 0.0)

    def hurry(self) -> None:
        """Tell what waits."""
        if self._ended or self._drawn:
            self._there.set()

    async def tell(self) -> None:
        """Tell the pool, for ever."""
        while True:
            await self._there.wait()
            self._there.clear()
            try:
                await self._tell_all()
            except RedisError as error:
                log.debug("the pool is told later: %s", error)
            except Exception:
                log.exception("the pool was not told")

    async def _tell_all(self) -> None:
        while self._ended:
            count = min(AT_ONCE, len(self._ended))
            some = [self._ended.popleft() for _ in range(count)]
            await asyncio.gather(*(self._picker.report(*one) for one in some))
        drawn, self._drawn = self._drawn, {}
        while drawn:
            key, (outcome, seconds) = drawn.popitem()
            try:
                await self._tell_of_drawn(key, outcome, seconds)
            except RedisError:
                self._drawn = {**drawn, key: (outcome, seconds), **self._drawn}
                raise

    async def _tell_of_drawn(self, key: str, outcome: Outcome, seconds: float) -> None:
        """The pool counts only what was taken: so this one is taken afterwards.

        One that rests, or has gone, is not to be had. That it failed is known then; that it works is
        said again when it has worked again.
        """
        token = uuid.uuid4().hex
        take = self._ledger.take(UNNAMED, None, token, (key,), ())
        taken, _ = await take.run_async(self._redis)
        if taken:
            report = self._ledger.report(UNNAMED, key, token, outcome, seconds)
            await report.run_async(self._redis)
