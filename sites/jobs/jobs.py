"""Site jobs for commands and Python: start, stop, resume, and how they stand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Deadline, wait_until
from orchestrator.core.errors import ConfigError, NotRunning, OrchError, RedisUnavailable
from orchestrator.core.keys import RETENTION_S
from orchestrator.core.queues import SHARDS
from orchestrator.core.redis import translated
from orchestrator.gate.notice import told
from orchestrator.nodes.registry import Nodes
from orchestrator.queue.model import QueueState
from sites.definition.registry import Registry
from sites.extract import own_class
from sites.fetch.extras import need_engine
from sites.job.classes import known
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.jobs.topup import TopUp
from sites.local import status as local_status
from sites.local.jobs import LocalJobs
from sites.results.output import Results
from sites.results.retryable import Page
from sites.shared.again import Again
from sites.shared.failures import failures
from sites.shared.gate_status import GateStatus
from sites.shared.record import Records
from sites.shared.shards import RESERVATION_S
from sites.shared.status import StatusReader
from sites.shared.written import written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from celery import Celery

    from orchestrator.core.context import Context
    from sites.definition.definition import Definition
    from sites.job.job import Job

#: Shards see a stop within 1 s, their requests have 2 s, and a dead shard's lease runs out after 5 s.
STOP_S = 8.0
#: Results are on disk within this time, in seconds, unless the service `results` is away.
DRAIN_S = 10.0
LOOK_EVERY_S = 0.1
#: A worker that is just being restarted is waited for so long, in seconds.
WORKER_S = 5.0


class SiteJobs:
    """The jobs of a home. Proxies are not looked after here: the facade does that before a start."""

    def __init__(self, context: Context, app: Callable[[], Celery]) -> None:
        self._context = context
        self._app = app  # for those who send: it takes 0.1 s
        self.registry = Registry(context.home)
        self.gates = GateStatus(context, self.registry)
        self.local = LocalJobs(context)

    def definition(self, site: str) -> Definition:
        """Return what is said about `site`.

        Raises:
            ConfigError: there is no such site, or its file is wrong.
        """
        entry = self.registry.get(site)
        own_class.load(entry.definition, entry.path.parent)  # a mistake in it is told at once
        need_engine(entry.definition)
        return entry.definition

    @translated()
    def start(self, site: str, *, changed_only: bool = False) -> Job:
        """Start a job (with `changed_only`: of what has changed); one that is active goes on instead.

        Raises:
            ConfigError: there is no such site, or its file is wrong.
            NotRunning: there is no worker to do it.
            OrchError: the last job is being stopped and does not end.
        """
        definition = self.definition(site).told(changed_only=changed_only)
        self.local.need_nobody(site)
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
        if self.local.is_active(site) or self._is_local(site):
            return self.local.stop(site)
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
            self._note_definition(ref)
            self._records.move(ref, JobState.PENDING)
        self._topup.run()
        return self._read(ref)

    @translated()
    def current(self, site: str) -> Job | None:
        """Return the newest job of `site`."""
        ref = self._records.current(site)
        return self._records.read(ref) if ref else None

    def status(self, sites: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return a row for the newest job of each site that ever ran, as `orch sites status --json` does.

        Raises:
            RedisUnavailable: nobody knows; it says which gates go on without it.
        """
        home = self._context.home
        local = local_status.rows(home, sites)
        try:
            with translated():
                shared = StatusReader(self._context.redis, self._context.keys, home).rows(sites)
                return local_status.newest(local, shared)
        except RedisUnavailable as error:
            if local := local_status.latest(home, local):
                return local
            alone = [f"{site}: {what}" for site, what in told(str(home.run)).items()]
            raise RedisUnavailable("; ".join([str(error), *alone]), hint=error.hint) from error

    def wait_drained(self, timeout: float = DRAIN_S) -> bool:
        """Wait until what is scraped by now is in `data/sites/`; tell whether it is."""
        return written(self._context.redis, self._context.keys, Deadline.after(timeout, SYSTEM))

    def settled(self, timeout: float = DRAIN_S) -> bool:
        """Tell whether all that was scraped is on disk, as far as anybody can know without Redis."""
        try:
            return self.wait_drained(timeout)
        except RedisUnavailable:
            return True

    def failures(
        self, site: str, job_id: str | None = None, classes: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        """Return the pages of a job (default: the newest) that failed or lacked something, by URL.

        With `classes`, all that ended by one of these, also those that were skipped.

        Raises:
            ConfigError: a class is none.
            OrchError: nothing was scraped from the site.
        """
        classes = known(classes)
        self.settled()
        ref = self._current(site)
        wanted = job_id or (ref.id if ref else "")
        if ref is None or self._context.home.site_results(site).is_file():
            with self.results(site) as results:
                wanted = job_id or max(wanted, results.newest_job() or "")
        rows = failures(self._context, JobRef(site, wanted), classes)
        return sorted(rows, key=lambda row: str(row["url"]))

    @translated()
    def retry_failed(
        self, site: str, classes: Sequence[str] = (), *, dry_run: bool = False
    ) -> tuple[Job, Counter[str]]:
        """Queue the failed pages of the newest job anew, and let it go on, by today's definition.

        With `classes` only those that ended by one of these, also if they were skipped. Return the job,
        and how many pages of each class there are; with `dry_run` nothing is changed.

        Raises:
            ConfigError: a class is none, or the site never had a job.
            NotRunning: there is no worker to do it.
            OrchError: not all that was scraped is on disk yet, or Redis has forgotten the job's pages.
        """
        classes = known(classes)
        ref = self._newest(site)
        self._let_stop(site)
        if not self.wait_drained():
            raise OrchError(
                f"{site}: results still wait to be written, so it is not known yet what failed",
                hint="`orch status results` shows why",
            )
        again = Again(self._context.redis, self._context.keys, ref)
        if again.forgotten:
            raise _forgotten(site)
        told = failures(self._context, ref, classes)
        wanted = [Page.of(row) for row in told if classes or row["state"] == QueueState.ERROR]
        pages = list(again.still_there(wanted))
        if pages and not dry_run:
            self._need_worker()
            self._note_definition(ref)
            again.queue(pages)
            self._topup.run()
        return self._read(ref), Counter(page.kind for page in pages)

    def results(self, site: str) -> Results:
        """Open what was scraped from `site`; needs neither Redis nor a definition.

        Raises:
            OrchError: there is nothing.
        """
        return Results(self._context.home.site_results(site))

    def _note_definition(self, ref: JobRef) -> None:
        """Let a job go on by today's definition."""
        today = self.definition(ref.site).going_on(self._read(ref).definition)
        self._records.note(ref, {"definition": today.model_dump_json()})

    def _is_local(self, site: str) -> bool:
        """Whether the newest job was crawled without Redis, as far as anybody can know without it."""
        return any(row["engine"] == "local" for row in self.status([site]))

    def _current(self, site: str) -> JobRef | None:
        """Return the newest job, as far as anybody can know without Redis."""
        try:
            with translated():
                return self._records.current(site)
        except RedisUnavailable:
            return None

    @property
    def _records(self) -> Records:
        return Records(self._context.redis, self._context.keys)

    @property
    def _topup(self) -> TopUp:
        return TopUp(self._context, self._send)

    def _send(self, site: str, job_id: str, reservation: str) -> None:
        args = [site, job_id, reservation]
        self._app().send_task(
            "sites.tasks.shard", args=args, expires=RESERVATION_S, ignore_result=True
        )

    def _need_worker(self) -> None:
        """Wait for a worker that is just starting; without one, say how to get one."""
        nodes = Nodes(self._context.redis, self._context.keys)
        if not wait_until(lambda: nodes.slots(SHARDS) > 0, Deadline.after(WORKER_S, SYSTEM)):
            raise NotRunning("no worker is running", hint="`orch up -d` starts the services")

    def _newest(self, site: str) -> JobRef:
        ref = self._records.current(site)
        if ref is None:
            problem = f"{site}: there is no job of it"
            raise ConfigError((problem,), hint=f"`orch sites start {site}` makes one")
        if self._records.read(ref) is None:
            raise _forgotten(site)
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


def _forgotten(site: str) -> ConfigError:
    days = RETENTION_S // 86_400
    problem = f"{site}: its last job ended more than {days} days ago, and its pages are forgotten"
    return ConfigError((problem,), hint=f"`orch sites start {site}` makes a new one")
