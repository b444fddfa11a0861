"""A server whose clock was set back: nothing waits a day for a moment that was to come at once.

Leases, delays and bookings are points in time of Redis's clock. Set forward, they are over, which
leases survive by nature. Set back by a day, they would all be a day away.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from orchestrator.core.script import Call, load
from orchestrator.gate.view import names as gates
from sites.definition.definition import Definition
from sites.politeness.gates import limits_of
from sites.shared.record import Records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from sites.job.job import Job
    from sites.job.ref import JobRef

log = logging.getLogger(__name__)

#: Less than this is simply waited for, in seconds: nothing is booked half as far ahead.
LEAST_S = 600


def heal(redis: Redis, keys: Keys, jobs: Sequence[JobRef]) -> float:
    """Look at the server's clock, and bring near what it took away; return how far that was, in s.

    Called by every tick: two looks at once do no harm.
    """
    if not _look(redis, keys, []):
        return 0.0
    back = _look(redis, keys, _in_time(redis, keys, jobs))
    log.warning("the clock of Redis was set back by %.0f s: what waits for it comes nearer", back)
    return back


def _look(redis: Redis, keys: Keys, groups: Sequence[Sequence[str]]) -> float:
    names = [keys.clock(), *(name for group in groups for name in group)]
    words = [LEAST_S * 1000, *map(len, groups)]
    return Call(load("sites.shared", "setback"), names, words, int).run(redis) / 1000


def _in_time(redis: Redis, keys: Keys, jobs: Sequence[JobRef]) -> list[list[str]]:
    """Return whatever holds a point in time, in the groups that the script takes."""
    places = list(_gates(redis, keys))
    return [
        [keys.gate_sites(), *(name for ref in jobs for name in _in_ms(keys, ref))],
        [
            keys.gate(site, part + host)
            for site, host in places
            for part in ("slots", "line", "alive", "users")
        ],
        [keys.nodes(), keys.consumers()],
        [keys.gate(site, "state" + host) for site, host in places],
        [
            *(keys.yield_wanted(), keys.lease("drain"), keys.lease("restore")),
            *(keys.job(ref.site, ref.id, "health") for ref in jobs),
        ],
    ]


def _in_ms(keys: Keys, ref: JobRef) -> list[str]:
    queue = keys.frontier(ref.site, ref.id)
    return [queue.delayed, queue.leased, keys.job(ref.site, ref.id, "shards")]


def _gates(redis: Redis, keys: Keys) -> Iterator[tuple[str, str]]:
    """Name every gate there may be: its site, and what its parts end in, for that and each host."""
    records = Records(redis, keys)
    jobs = {ref.site: records.read(ref) for ref in records.all_current()}
    for site in sorted({*gates(redis, keys), *jobs}):
        yield site, ""
        job = jobs.get(site)
        for host in _hosts(redis, keys, job) if job else ():
            yield site, f":{host}"


def _hosts(redis: Redis, keys: Keys, job: Job) -> set[str]:
    """Name the hosts that have limits of their own: those of the job, and where a slot is held."""
    definition = Definition.model_validate_json(job.definition)
    limits = limits_of(definition)
    by_delay = definition.robots and len(definition.allowed_hosts) > 1  # a Crawl-delay may come
    if not limits.by_host and not by_delay:
        return set()
    held = redis.zrange(keys.gate(job.ref.site, "slots"), 0, -1)
    asked = (str(holder).rpartition(" ")[2] for holder in held)
    return {*map(limits.host_key, definition.allowed_hosts), *asked}
