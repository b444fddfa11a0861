"""Jobs that a schedule asks for: each moment is seen to once, by the server's clock.

Whoever ticks looks. The moment that was seen to last is kept in Redis and moved in the step that makes
the job: two ticks at once make one job, and a tick that is killed has made it, or another one does.
Moments that passed while nobody looked count as one.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.core.events import EventLog
from orchestrator.core.needs import in_order
from sites.definition.registry import Registry
from sites.definition.runs import PROXIES
from sites.definition.schedule import read
from sites.local.place import LocalPlace, is_run
from sites.shared.record import Records

if TYPE_CHECKING:
    from orchestrator.core.context import Context
    from orchestrator.core.home import Home
    from sites.definition.definition import Definition

log = logging.getLogger(__name__)


class Timetable:
    """The schedules of the site files of a home."""

    def __init__(self, context: Context) -> None:
        self._home = context.home
        self._redis = context.redis
        self._keys = context.keys
        self._records = Records(self._redis, self._keys)
        self._events = EventLog(context.home.logs / "events.jsonl", rotates=False)

    def run(self) -> None:
        """Make the jobs that are due, those first that others need."""
        sites = _scheduled(self._home, Registry(self._home).stamp())
        if not sites:
            return
        seconds, micros = self._redis.time()
        now = int(seconds) + int(micros) / 1_000_000
        known = self._redis.hmget(self._keys.due_jobs(), [site.name for site in sites])
        for site, seen in zip(sites, known, strict=True):
            self._look(site, str(seen or ""), now)

    def _look(self, site: Definition, seen: str, now: float) -> None:
        schedule = str(site.schedule)
        since, _, of = seen.partition(" ")
        if of != schedule:  # it is new, or was changed: what it asks for begins now
            self._redis.hset(self._keys.due_jobs(), site.name, f"{now:.3f} {schedule}")
            return
        moment = read(schedule).latest(float(since), now)
        if moment is None:
            return
        if is_run(LocalPlace(self._home, site.name)):
            self._redis.hset(self._keys.due_jobs(), site.name, f"{moment:.3f} {schedule}")
            self._skip(site.name, "a process crawls it by itself")
            return
        made = self._records.create_due(
            site.name, _as_scheduled(site).model_dump_json(), seen, f"{moment:.3f} {schedule}"
        )
        if made is None:
            return
        ref, new = made
        if not new:
            self._skip(site.name, f"its job {ref.id} has not ended")
            return
        log.info("%s: started by its schedule %s", ref.member, schedule)
        self._events.write("site.scheduled", site=site.name, job=ref.id, schedule=schedule)

    def _skip(self, site: str, why: str) -> None:
        log.warning("%s: not started by its schedule: %s", site, why)
        self._events.write("site.skipped", site=site, reason=why)


def _as_scheduled(site: Definition) -> Definition:
    """A start by hand sees to proxies that a site requires; a job of the schedule waits for them."""
    needs = {*site.needs, *([PROXIES] if site.proxies == "require" else [])}
    return site.model_copy(update={"needs": tuple(sorted(needs))})


@lru_cache(maxsize=1)
def _scheduled(home: Home, stamp: object) -> tuple[Definition, ...]:
    """The sites that have a schedule, read anew when a file has changed (`stamp`)."""
    del stamp
    entries, problems = Registry(home).entries()
    for problem in problems:
        log.warning("%s", problem)
    wrong = tuple(problems)
    found = {
        name: entry.definition
        for name, entry in entries.items()
        if entry.definition.schedule and not any(str(entry.path) in line for line in wrong)
    }
    ordered = in_order({name: entry.definition.needs for name, entry in entries.items()})
    return tuple(found[name] for name in ordered if name in found)
