"""Starting a refresh: the sources are read, the candidates cut into chunks, and the chunks sent."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import NotRunning, OrchError
from orchestrator.core.redis import RedisError
from proxies.errand import Errand
from proxies.pool.pool import Pool
from proxies.refresh import progress
from proxies.refresh.collect import Collector
from proxies.refresh.progress import LEASE_S
from proxies.sources.sources import read_all

if TYPE_CHECKING:
    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis
    from proxies.refresh.dispatch import Dispatch
    from proxies.sources.sources import Candidates

#: Sources may use this part of a deadline; without one each has its own, within so many seconds.
SOURCES_PART = 0.4
SOURCES_S = 600.0
#: A worker that is just being restarted is waited for so long, in seconds.
WORKER_S = 5.0


@dataclass(frozen=True, slots=True)
class Started:
    """A refresh that was started, or one (`joined`) that runs already."""

    job_id: str
    joined: bool
    budget_s: float = 0.0  #: how long it should be waited for; 0 when its record says so


@dataclass(frozen=True, slots=True)
class Start:
    """Starts refreshes of a home, one at a time over all machines."""

    context: Context
    redis: Redis
    dispatch: Dispatch

    def run(self, deadline: Deadline | None, want: int = 0, why: str = "") -> Started:
        """Start one that ends early with `want` usable proxies (0: checks all).

        Raises:
            NotRunning: there is no worker that would do it.
            ConfigError: the sources cannot be read.
            RedisUnavailable: it could not be sent.
            DeadlinePassed: reading the sources, or sending, took too long.
        """
        self._require_worker(deadline)
        candidates = self._candidates(deadline)
        self._end_what_was_left()
        job_id, running, plan = self.dispatch.begin(candidates, want)
        if running:
            return Started(running, joined=True)
        told = {"job": job_id, "candidates": len(candidates.proxies), "why": why}
        self._collector.events.write("refresh.began", **told)
        if plan.chunks:
            self._send(job_id, len(plan.chunks), deadline or Deadline.after(plan.budget_s))
        else:
            self._collector.collect(job_id)
        return Started(job_id, joined=False, budget_s=plan.budget_s)

    @property
    def _collector(self) -> Collector:
        return Collector.of(self.context, self.redis)

    def _require_worker(self, deadline: Deadline | None) -> None:
        patience = deadline.cap(WORKER_S) if deadline else WORKER_S
        if not wait_until(lambda: self.dispatch.slots() > 0, Deadline.after(patience), every=0.2):
            raise NotRunning(
                "no worker is there that could check proxies",
                hint="`orch up -d` starts one; `orch proxies refresh --up` does so for its duration",
            )

    def _candidates(self, deadline: Deadline | None) -> Candidates:
        settings, home = self.context.settings.proxies, self.context.home
        most = deadline.share(SOURCES_PART).remaining() if deadline else SOURCES_S
        reading = Errand(lambda: read_all(settings, home, most))
        found = reading.result(deadline or Deadline.after(most + 10.0), "reading the sources")
        return found.with_added(Pool(self.redis, self.context.keys).added())

    def _end_what_was_left(self) -> None:
        """A refresh that nobody worked on or waited for any more: what its chunks found counts."""
        before = progress.last(self.redis, self.context.keys)
        if before and not progress.current(self.redis, self.context.keys):
            self._collector.collect(before, missing_ok=True)

    def _send(self, job_id: str, chunks: int, deadline: Deadline) -> None:
        lease_s = max(LEASE_S, deadline.remaining())
        sending = Errand(partial(self.dispatch.send, job_id, chunks, lease_s))
        try:
            sending.result(deadline, "sending the chunks")
        except OrchError:
            with contextlib.suppress(RedisError):  # then its lease runs out by itself
                self._collector.collect(job_id, missing_ok=True)
            raise
