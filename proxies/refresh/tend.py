"""Looking after refreshes that nobody waits for, and starting those that are due: the work of one tick.

Beat sends it every few seconds. All of it is idempotent or guarded by leases: any number may run at once.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.celery_app.progress import EVERY_S, sign
from orchestrator.core.clock import SYSTEM, Clock, Deadline
from orchestrator.core.errors import OrchError
from proxies.errand import Errand
from proxies.pool.appeal import asked
from proxies.pool.pool import Pool
from proxies.refresh import progress
from proxies.refresh.collect import Collector
from proxies.refresh.due import Standing, due
from proxies.refresh.member import Member
from proxies.refresh.mend import Collect, Redo, aged, what_to_do
from proxies.refresh.progress import RefreshRecord
from proxies.refresh.refresh import Refresher

if TYPE_CHECKING:
    from celery import Celery

    from orchestrator.core.context import Context

log = logging.getLogger(__name__)

#: What seems to be lost is looked at again after so long, in seconds: Redis, or all of us, may just have
#: come back.
AGAIN_S = 2.5
#: One process at a time tries to start one; a start that fails is not tried again any sooner, in seconds.
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Tend:
    """One tick, in a worker."""

    context: Context
    app: Celery
    clock: Clock = SYSTEM

    def run(self) -> None:
        """Mend the refresh that runs, or start one that is due."""
        running = progress.current(self.context.redis, self.context.keys)
        if running:
            self.mend(running)
        elif why := self.due():
            self._start(why)

    def mend(self, job_id: str) -> None:
        """Work on a chunk that is lost; end the refresh when there is nothing more to come."""
        record = RefreshRecord(self.context.redis, self.context.keys, job_id)
        record.keep().run(record.redis)
        seen = record.read()
        lost = aged(seen)
        if lost:
            self.clock.sleep(AGAIN_S)
            seen = record.read()
            lost = [chunk for chunk in aged(seen) if chunk in lost]
        todo = what_to_do(seen, lost)
        if isinstance(todo, Redo):
            log.warning("chunk %d of refresh %s is lost: redone here", todo.index, job_id)
            Member(self.context, job_id, todo.index, silent=todo.silent).run()
            todo = what_to_do(record.read(), [])
        if isinstance(todo, Collect) and not seen.final:
            Collector.of(self.context).collect(job_id, missing_ok=todo.missing)

    def due(self) -> str:
        """Why a refresh should be started now; "" when none should."""
        redis, keys, settings = self.context.redis, self.context.keys, self.context.settings.proxies
        asked_by = asked(redis, keys)
        if settings.refresh_every is None and not asked_by:
            return ""
        if not settings.has_sources and not Pool(redis, keys).added():
            return ""
        facts = redis.hget(keys.pool_meta(), "refreshed_at")
        last = progress.last(redis, keys)
        newest = RefreshRecord(redis, keys, last).read()
        refreshed = max(0.0, newest.at - float(facts)) if facts else None
        tried = newest.running_s if newest.status else None
        return due(Standing(refreshed, tried, asked_by), settings.refresh_every)

    def _start(self, why: str) -> None:
        name = self.context.keys.lease("refresh_due")
        if not self.context.redis.set(name, 1, nx=True, px=round(START_S * 1000)):
            return
        log.info("a refresh is due: %s", why)
        refresher = Refresher(self.context, self.app)
        starting = Errand(lambda: refresher.refresh(wait=False, why=why))
        while not starting.wait(EVERY_S):
            sign()  # reading the sources may take long: that is no standstill
        try:
            starting.result(Deadline.after(1.0), "starting a refresh")
        except OrchError as error:
            log.warning("the refresh could not be started: %s", error)
