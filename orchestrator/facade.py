"""The composition root: everything `orch` does, as one object for Python."""

from __future__ import annotations

import contextlib
import signal
import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core import mark
from orchestrator.core.clock import SYSTEM, Deadline, wait_until
from orchestrator.core.context import Context
from orchestrator.core.errors import (
    Busy,
    NotRunning,
    OrchError,
    ServiceFailed,
    UsableProxiesMissing,
)
from orchestrator.supervise import specs
from orchestrator.supervise.control import ask, checked
from orchestrator.supervise.supervisor import Supervisor
from proxies.pool.pool import Pool
from sites.definition.needs import wants_proxies
from sites.job.state import ACTIVE
from sites.jobs.jobs import SiteJobs

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from types import FrameType

    from celery import Celery

    from proxies.refresh.outcome import RefreshOutcome
    from proxies.refresh.refresh import OnProgress, Refresher
    from sites.job.job import Job

#: How long a start or a stop of services may take before we say so, in seconds.
SERVICES_S = 120.0


class Orchestrator:
    """A home and what runs in it. As a context manager it supervises, on any thread.

    If a supervisor runs already, it is attached to: what is missing is started, and on leaving only
    that is stopped, sites first. Without `with`, the object starts nothing; it works with what runs.

    Raises:
        ConfigError: listing every problem of `orch.toml`.
    """

    def __init__(
        self,
        home: str | os.PathLike[str] | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self.context = Context.load(home, overrides)
        self._started: set[str] = set()
        self._thread: threading.Thread | None = None
        self._supervisor: Supervisor | None = None
        self._failure: OrchError | None = None
        self._old_term: Any = None

    # the parts

    @cached_property
    def app(self) -> Celery:
        """The Celery application of the home."""
        from orchestrator.celery_app.app import make_app  # noqa: PLC0415 (0.1 s, for those who send)

        return make_app(self.context)

    @cached_property
    def pool(self) -> Pool:
        """The pool of proxies."""
        return Pool(self.context.redis, self.context.keys)

    @cached_property
    def proxies(self) -> Refresher:
        """Refreshing, and waiting for it."""
        from proxies.refresh.refresh import Refresher  # noqa: PLC0415 (0.1 s, as above)

        return Refresher(self.context, self.app)

    @cached_property
    def sites(self) -> SiteJobs:
        """Site jobs."""
        return SiteJobs(self.context, lambda: self.app)

    # supervising

    def __enter__(self) -> Self:
        if not self.is_running():
            self._supervise()
        if threading.current_thread() is threading.main_thread():
            self._old_term = signal.signal(signal.SIGTERM, _leave)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop_all()
        finally:
            if self._old_term is not None:
                signal.signal(signal.SIGTERM, self._old_term)
                self._old_term = None

    def is_running(self) -> bool:
        """Whether a supervisor of this home answers."""
        try:
            self._ask("status", timeout=5.0)
        except NotRunning:
            return False
        return True

    def status(self) -> dict[str, Any]:
        """What `orch status --json` shows of supervisor and services.

        Raises:
            NotRunning: there is no supervisor.
        """
        return self._ask("status", timeout=5.0)

    def start(self, services: Iterable[str], *, timeout: float = SERVICES_S) -> None:
        """Start services and what they need; return when all are ready. Idempotent.

        Raises:
            ServiceFailed: one did not become ready; its log's end is in `log_tail`.
        """
        names = list(services)
        running = {row["name"] for row in self.status()["services"] if row["state"] != "stopped"}
        answer = self._ask("start", names, timeout=timeout)
        now = {row["name"] for row in answer["services"] if row["state"] != "stopped"}
        self._started |= now - running

    def start_redis(self, *, timeout: float = SERVICES_S) -> None:
        """Start or adopt Redis; it answers on return. Idempotent."""
        self.start(["redis"], timeout=timeout)

    def start_celery(self, *, timeout: float = SERVICES_S) -> None:
        """Start the workers, beat and results (and Redis); ready on return. Idempotent."""
        self.start(specs.of_celery(self.context.config), timeout=timeout)

    def restart_celery_if_dead(self, *, timeout: float = SERVICES_S) -> bool:
        """Restart the worker unless it is alive; tell whether it was."""
        if self.is_celery_alive():
            return False
        self._ask("restart", ["worker"], timeout=timeout)
        return True

    def is_celery_alive(self) -> bool:
        """Whether the worker is ready by its own marks: heartbeat and canary."""
        rows = {row["name"]: row for row in self.status()["services"]}
        facts = mark.read(self.context.home.mark("worker"))
        return bool(facts) and rows["worker"]["state"] == "ready"

    def stop_all(self, *, timeout: float = SERVICES_S) -> None:
        """Stop what this object started, sites first and Redis last."""
        if self._supervisor is not None and self._thread is not None:
            self._supervisor.request_stop()
            try:
                self._thread.join(timeout)
            except KeyboardInterrupt:  # a second Ctrl+C: at once, but nothing is left
                self._supervisor.request_stop(kill=True)
                self._thread.join(timeout)
                raise
            self._supervisor = self._thread = None
        elif self._started:
            with contextlib.suppress(NotRunning, Busy):  # somebody stopped everything before
                self._ask("stop", sorted(self._started), timeout=timeout)
        self._started.clear()

    def cleanup_stale_processes(self) -> None:
        """End what a killed supervisor of this home left running, and nothing else."""
        if not self.is_running():
            Supervisor(self.context.home, specs.build(self.context.config), only_stop=True).run()

    # proxies

    def wait_for_proxies(
        self,
        min_count: int | None = None,
        *,
        timeout: float | None = None,
        on_progress: OnProgress = None,
    ) -> int:
        """Return the number of usable proxies, after a refresh if there are fewer than `min_count`.

        Raises:
            DeadlinePassed: the refresh did not end in time.
        """
        wanted = self.context.settings.proxies.min_usable if min_count is None else min_count
        return self.proxies.ensure(wanted, timeout=timeout, on_progress=on_progress)

    def trigger_proxy_refresh(self) -> str:
        """Dispatch a refresh, or join the one that runs; return its job id at once."""
        return self.proxies.refresh(wait=False).job_id

    def wait_for_refresh_completion(
        self, job_id: str, *, timeout: float | None = None
    ) -> RefreshOutcome:
        """Wait for a refresh by chord, then Redis, then the file; one deadline for all three."""
        return self.proxies.wait_for(job_id, timeout=timeout)

    def get_refresh_progress(self, job_id: str | None = None) -> dict[str, Any] | None:
        """How far a refresh (default: the newest) is; None without one."""
        return self.proxies.progress(job_id)

    def get_proxy_count(self) -> int:
        """Live proxies in the pool."""
        return int(self.pool.counts()["live"])

    def get_usable_proxy_count(self) -> int:
        """Proxies that are live, fresh and not transparent."""
        return len(self.pool.usable(self.context.settings.proxies.fresh_for))

    # sites

    def start_site_scraper(
        self,
        site: str,
        *,
        timeout: float | None = None,
        on_progress: OnProgress = None,
        changed_only: bool = False,
    ) -> Job:
        """Start the job of a site, or return the one that runs; with fresh proxies if it wants them.

        Raises:
            ConfigError: there is no such site, or its file is wrong.
            UsableProxiesMissing: it requires proxies, and none is usable after a refresh.
            DeadlinePassed: the refresh did not end in time.
        """
        self._have_proxies(site, timeout, on_progress)
        return self.sites.start(site, changed_only=changed_only)

    def resume_site_scraper(
        self, site: str, *, timeout: float | None = None, on_progress: OnProgress = None
    ) -> Job:
        """Let a stopped job go on with what is left; raises as `start_site_scraper` does."""
        self._have_proxies(site, timeout, on_progress)
        return self.sites.resume(site)

    def stop_site_scraper(self, site: str) -> None:
        """Stop the job of a site; what it has is kept, and `resume` goes on."""
        self.sites.stop(site)

    def get_site_progress(self, site: str) -> dict[str, Any] | None:
        """One row of `orch sites status --json`; None when the site never ran."""
        rows = self.sites.status([site])
        return rows[0] if rows else None

    def active_sites(self) -> list[str]:
        """Names of the sites whose jobs are not finished."""
        return [row["site"] for row in self.sites.status(None) if row["state"] in ACTIVE]

    def _have_proxies(self, site: str, timeout: float | None, on_progress: OnProgress) -> None:
        definition = self.sites.definition(site)
        if not wants_proxies(definition, sources=self.context.settings.proxies.has_sources):
            return
        usable = self.wait_for_proxies(timeout=timeout, on_progress=on_progress)
        if definition.proxies == "require" and not usable:
            hint = "name lists in orch.toml ([proxies] sources = [...]), then "
            hint += "`orch proxies refresh` shows why which was refused"
            raise UsableProxiesMissing(f"{site} requires proxies, and none is usable", hint=hint)

    def _supervise(self) -> None:
        supervisor = Supervisor(self.context.home.make(), specs.build(self.context.config))

        def run() -> None:
            try:
                supervisor.run(wanted=())
            except OrchError as error:
                self._failure = error

        self._supervisor = supervisor
        self._thread = threading.Thread(target=run, name="orch-supervisor", daemon=True)
        self._thread.start()
        deadline = Deadline.after(10.0, SYSTEM)
        if not wait_until(lambda: self.is_running() or self._failure is not None, deadline):
            raise ServiceFailed("supervisor", "did not come up within 10 s")
        if isinstance(self._failure, Busy):  # somebody was quicker: attach to that one
            self._supervisor = self._thread = self._failure = None
            if not wait_until(self.is_running, deadline):
                raise ServiceFailed("supervisor", "holds the lock, and does not answer")
        elif self._failure is not None:
            raise self._failure

    def _ask(
        self, what: str, services: list[str] | None = None, *, timeout: float
    ) -> dict[str, Any]:
        request = {"do": what, "services": services}
        path = self.context.home.socket("control.sock")
        return checked(ask(path, request, Deadline.after(timeout)))


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
