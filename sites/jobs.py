"""Site jobs for commands and Python: start, stop, resume, and how they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Deadline, wait_until
from orchestrator.core.errors import ConfigError, NotRunning, OrchError, RedisUnavailable
from orchestrator.core.queues import SHARDS
from orchestrator.core.redis import translated
from orchestrator.nodes.registry import Nodes
from orchestrator.queue.model import QueueState
from sites.ended import Ended, ended
from sites.move import JobRef
from sites.output import Results
from sites.record import Job, Records
from sites.registry import Registry
from sites.shards import RESERVATION_S
from sites.state import JobState
from sites.status import StatusReader
from sites.topup import TopUp, drained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from orchestrator.core.context import Context
    from sites.definition import Definition

__all__ = ["Job", "SiteJobs"]

#: Shards see a stop within 1 s, their requests have 2 s, and a dead shard's lease runs out after 5 s.
STOP_S = 8.0
#: Results are on disk within this time, in seconds, unless the service `results` is away.
DRAIN_S = 10.0
LOOK_EVERY_S = 0.1
#: A worker that is just being restarted is waited for so long, in seconds.
WORKER_S = 5.0


class SiteJobs:
    """The jobs of a home. Proxies are not looked after here: the facade does that before a start."""

    def __init__(self, context: Context, app: Celery) -> None:
        self._context = context
        self._app = app
        self.registry = Registry(context.home)

    def definition(self, site: str) -> Definition:
        """Return what is said about `site`.

        Raises:
            ConfigError: there is no such site, or its file is wrong.
        """
        return self.registry.get(site).definition

    @translated()
    def start(self, site: str) -> Job:
        """Start a job; while the site's newest one is active, that one is returned and goes on.

        Raises:
            ConfigError: there is no such site, or its file is wrong.
            NotRunning: there is no worker to do it.
            OrchError: the last job is being stopped and does not end.
        """
        definition = self.definition(site)
        self._need_worker()
        self._let_stop(site)
        ref, _ = self._records.create(site, definition.model_dump_json())
        self._topup.run()
        return self._read(ref)

    @translated()
    def stop(self, site: str, *, timeout: float = STOP_S) -> Job:
        """Stop the newest job: no new request within 1 s, what is there is kept, `resume` goes on.

        Return it when it has stopped, or as it stands after `timeout` seconds.

        Raises:
            ConfigError: the site never had a job.
        """
        ref = self._newest(site)
        self._records.move(ref, JobState.STOPPING, reason="stopped on request")
        self._await_stopped(ref, timeout)
        return self._read(ref)

    @translated()
    def resume(self, site: str) -> Job:
        """Let a stopped job go on with what is left, by today's definition; else change nothing.

        Raises:
            ConfigError: the site never had a job.
            NotRunning: there is no worker to do it.
            OrchError: its job is being stopped and does not end.
        """
        ref = self._newest(site)
        self._need_worker()
        self._let_stop(site)
        if self._read(ref).state is JobState.STOPPED:
            self._records.note(ref, {"definition": self.definition(site).model_dump_json()})
            self._records.move(ref, JobState.PENDING)
        self._topup.run()
        return self._read(ref)

    @translated()
    def current(self, site: str) -> Job | None:
        """Return the newest job of `site`."""
        ref = self._records.current(site)
        return self._records.read(ref) if ref else None

    @translated()
    def status(self, sites: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return one row for the newest job of each site, as `orch sites status --json` shows it.

        A site that never ran has no row.
        """
        return StatusReader(self._context.redis, self._context.keys).rows(sites)

    @translated()
    def wait_drained(self, timeout: float = DRAIN_S) -> bool:
        """Wait until what is scraped by now is in `data/sites/`; tell whether it is."""
        redis, key = self._context.redis, self._context.keys.results()
        newest = redis.xrevrange(key, count=1)
        if not newest:
            return True
        last = str(newest[0][0])

        def off() -> bool:
            first = redis.xrange(key, count=1)
            return drained(str(first[0][0]) if first else None, last)

        return wait_until(off, Deadline.after(timeout, SYSTEM), every=LOOK_EVERY_S)

    def settled(self, timeout: float = DRAIN_S) -> bool:
        """Tell whether all that was scraped is on disk, as far as anybody can know without Redis."""
        try:
            return self.wait_drained(timeout)
        except RedisUnavailable:
            return True

    def failures(self, site: str, job_id: str | None = None) -> list[dict[str, Any]]:
        """Return the pages of a job (default: the newest) that failed or lacked something.

        Raises:
            OrchError: nothing was scraped from the site.
        """
        self.settled()
        ref = self._current(site)
        wanted, rows = job_id or (ref.id if ref else ""), []
        if ref is None or self._context.home.site_results(site).is_file():
            with self.results(site) as results:
                wanted = job_id or max(wanted, results.newest_job() or "")
                rows = results.failures(wanted)
        # The end of a page whose shards all died is in the frontier only.
        known = {row["url"] for row in rows}
        lost = {page.url: page.row() for page in self._failed(JobRef(site, wanted))}
        rows += [row for url, row in lost.items() if url not in known]
        return sorted(rows, key=lambda row: str(row["url"]))

    def results(self, site: str) -> Results:
        """Open what was scraped from `site`; needs neither Redis nor a definition.

        Raises:
            OrchError: there is nothing.
        """
        return Results(self._context.home.site_results(site))

    def _current(self, site: str) -> JobRef | None:
        """Return the newest job, as far as anybody can know without Redis."""
        try:
            with translated():
                return self._records.current(site)
        except RedisUnavailable:
            return None

    def _failed(self, ref: JobRef) -> list[Ended]:
        """Return the pages that the frontier knows as failed, as far as it is there."""
        queue = self._context.keys.frontier(ref.site, ref.id)
        try:
            with translated():
                return list(ended(self._context.redis, queue, QueueState.ERROR))
        except RedisUnavailable:
            return []

    @property
    def _records(self) -> Records:
        return Records(self._context.redis, self._context.keys)

    @property
    def _topup(self) -> TopUp:
        return TopUp(self._context, self._send)

    def _send(self, site: str, job_id: str, reservation: str) -> None:
        self._app.send_task(
            "sites.tasks.shard",
            args=[site, job_id, reservation],
            expires=RESERVATION_S,
            ignore_result=True,
        )

    def _need_worker(self) -> None:
        """Wait for a worker that is just starting; without one, say how to get one."""
        nodes = Nodes(self._context.redis, self._context.keys)
        if not wait_until(lambda: nodes.slots(SHARDS) > 0, Deadline.after(WORKER_S, SYSTEM)):
            raise NotRunning("no worker is running", hint="`orch up -d` starts the services")

    def _newest(self, site: str) -> JobRef:
        ref = self._records.current(site)
        if ref is None or self._records.read(ref) is None:
            problem = f"{site}: there is no job of it"
            raise ConfigError((problem,), hint=f"`orch sites start {site}` makes one")
        return ref

    def _read(self, ref: JobRef) -> Job:
        job = self._records.read(ref)
        if job is None:
            raise OrchError(f"{ref.member}: its record is gone")
        return job

    def _let_stop(self, site: str) -> None:
        """Wait until a job that is being stopped has stopped."""
        ref = self._records.current(site)
        job = self._records.read(ref) if ref else None
        if ref is None or job is None or job.state is not JobState.STOPPING:
            return
        if not self._await_stopped(ref, STOP_S):
            raise OrchError(
                f"{site}: its job is being stopped, and does not end",
                hint="`orch status` shows whether the worker is well",
            )

    def _await_stopped(self, ref: JobRef, timeout: float) -> bool:
        def stopped() -> bool:
            self._topup.tend(ref)
            return not self._read(ref).active

        return wait_until(stopped, Deadline.after(timeout, SYSTEM), every=LOOK_EVERY_S)
