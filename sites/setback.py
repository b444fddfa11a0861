"""A server whose clock was set back: nothing waits a day for a moment that was to come at once.

Leases, delays and bookings are points in time of Redis's clock. Set forward, they are over, which
leases survive by nature. Set back by a day, they would all be a day away.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator.core.script import Call, load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from sites.move import JobRef

log = logging.getLogger(__name__)

#: Less than this is simply waited for, in seconds: nothing is booked half as far ahead.
LEAST_S = 600


def heal(redis: Redis, keys: Keys, jobs: Sequence[JobRef]) -> float:
    """Look at the server's clock, and bring near what it took away; return how far that was, in s.

    Called by every tick: two looks at once do no harm.
    """
    groups = _in_time(keys, jobs)
    names = [keys.clock(), *(name for group in groups for name in group)]
    words = [LEAST_S * 1000, *map(len, groups)]
    back = Call(load("sites", "setback"), names, words, int).run(redis) / 1000
    if back:
        log.warning(
            "the clock of Redis was set back by %.0f s: what waits for it comes nearer", back
        )
    return back


def _in_time(keys: Keys, jobs: Sequence[JobRef]) -> list[list[str]]:
    """Return whatever holds a point in time, in the groups that the script takes."""
    sites = sorted({ref.site for ref in jobs})
    return [
        [name for ref in jobs for name in _in_ms(keys, ref)],
        [keys.gate(site, "slots") for site in sites],
        [keys.nodes(), keys.consumers()],
        [keys.gate(site, "rate") for site in sites],
        [keys.gate(site, "breaker") for site in sites],
        [
            *(keys.yield_wanted(), keys.lease("drain"), keys.lease("restore")),
            *(keys.job(ref.site, ref.id, "health") for ref in jobs),
        ],
    ]


def _in_ms(keys: Keys, ref: JobRef) -> list[str]:
    queue = keys.frontier(ref.site, ref.id)
    return [queue.delayed, queue.leased, keys.job(ref.site, ref.id, "shards")]
