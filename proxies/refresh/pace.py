"""What chunks took lately, kept in Redis for the timeout of the next refresh."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.core.keys import RETENTION_S
from proxies.refresh.chunk import Sample

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis

#: So many chunks are remembered.
REMEMBERED = 50


def remember(redis: Redis, keys: Keys, sample: Sample) -> None:
    """Add what one chunk took."""
    text = json.dumps([sample.candidates, round(sample.seconds, 3), round(sample.busy, 3)])
    with redis.pipeline() as pipe:
        pipe.lpush(keys.refresh_pace(), text)
        pipe.ltrim(keys.refresh_pace(), 0, REMEMBERED - 1)
        pipe.expire(keys.refresh_pace(), RETENTION_S)
        pipe.execute()


def samples(redis: Redis, keys: Keys) -> list[Sample]:
    """What the last chunks took."""
    return [Sample(*json.loads(text)) for text in redis.lrange(keys.refresh_pace(), 0, -1)]
