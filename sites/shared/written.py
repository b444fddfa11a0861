"""Waiting until the service `results` has written what was scraped by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.clock import wait_until
from orchestrator.core.redis import translated

if TYPE_CHECKING:
    from orchestrator.core.clock import Deadline
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis

LOOK_EVERY_S = 0.1


@translated()
def written(redis: Redis, keys: Keys, deadline: Deadline) -> bool:
    """Wait until nothing that is in the stream of results now is left in it; tell whether that is so.

    Raises:
        RedisUnavailable: nobody knows.
    """
    newest = redis.xrevrange(keys.results(), count=1)
    if not newest:
        return True
    last = str(newest[0][0])

    def off() -> bool:
        first = redis.xrange(keys.results(), count=1)
        return drained(str(first[0][0]) if first else None, last)

    return wait_until(off, deadline, every=LOOK_EVERY_S)


def drained(first: str | None, last: str) -> bool:
    """Tell whether everything up to the entry `last` is off a stream that begins with `first`.

    >>> drained(None, "5-0"), drained("10-0", "9-3"), drained("9-1", "9-1")
    (True, True, False)
    """
    return first is None or _place(first) > _place(last)


def _place(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)
