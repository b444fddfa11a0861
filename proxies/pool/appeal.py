"""The pool asks for a refresh by itself: whoever picks notices that too few are usable for a site."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.redis import RedisError

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from orchestrator.core.redis_async import AsyncRedis

log = logging.getLogger(__name__)

#: One process asks no more often, in seconds; what it asked for is forgotten after a while.
ASK_EVERY_S = 10.0
ASKED_TTL_S = 60


@dataclass(slots=True)
class Appeal:
    """For one event loop: `minimum` proxies should be usable for each site. Beat's next tick hears it."""

    redis: AsyncRedis
    keys: Keys
    minimum: int
    clock: Clock = SYSTEM
    _asked_at: float = field(default=float("-inf"))

    async def saw(self, site: str, usable: int) -> None:
        """Hear how many are usable for `site` just now."""
        now = self.clock.monotonic()
        if usable >= self.minimum or now - self._asked_at < ASK_EVERY_S:
            return
        self._asked_at = now
        try:
            await self.redis.call("SET", self.keys.refresh_asked(), site, "EX", ASKED_TTL_S)
        except RedisError as error:
            log.warning("nobody was told that %s has too few proxies: %s", site, error)


def asked(redis: Redis, keys: Keys) -> str:
    """The site that has too few usable proxies, or ""."""
    return str(redis.get(keys.refresh_asked()) or "")
