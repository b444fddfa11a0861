"""Refreshing the pool: what the facade and the command line call."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.core import duration
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import Busy, ConfigError, OrchError
from orchestrator.core.redis import RedisError, connect, translated
from proxies import progress
from proxies.collect import Collector
from proxies.dispatch import Dispatch
from proxies.errand import Errand
from proxies.notice import ChordNotice
from proxies.outcome import Need, RefreshOutcome
from proxies.pool import Pool
from proxies.progress import RefreshRecord, RefreshStatus
from proxies.snapshot import Snapshot
from proxies.sources import Candidates, load, require_files, unique
from proxies.wait import Patience, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis
    from proxies.progress import Progress

    OnProgress = Callable[[Progress], None] | None

#: Sources may use this part of a deadline.
SOURCES_PART = 0.4
#: Redis answers a single command within this time, or counts as away for the moment, in seconds.
REDIS_TIMEOUT_S = 0.5
#: Without anything known of a refresh, it is waited for so long, in seconds.
UNKNOWN_BUDGET_S = 600.0


class Refresher:
    """Keeps the pool of one home fresh; `app` is the Celery application that reaches its workers."""

    def __init__(self, context: Context, app: Celery, patience: Patience | None = None) -> None:
        self._context = context
        self._app = app
        self._patience = patience or Patience()

    @translated()
    def refresh(
        self,
        *,
        timeout: float | None = None,
        join: bool = True,
        wait: bool = True,
        on_progress: OnProgress = None,
    ) -> RefreshOutcome:
        """Check every candidate and put the live ones into the pool.

        While another refresh runs, this one joins it. Without a `timeout` one is computed from the
        chunks, the live slots and what chunks took lately. Without `wait` it returns when the chunks
        are on their way.

        Raises:
            ConfigError: the timeout is not above 0, or sources cannot be read.
            Busy: another refresh runs, and we are not to `join`.
            RedisUnavailable: Redis does not answer; nothing was started.
            DeadlinePassed: the refresh has not ended in time; it may still go on.
        """
        return self._refresh(_deadline(timeout), on_progress, join=join, wait=wait)

    def _refresh(
        self, deadline: Deadline | None, on_progress: OnProgress, *, join: bool, wait: bool
    ) -> RefreshOutcome:
        settings = self._context.settings.proxies
        require_files(settings.sources, self._context.home.path)
        redis = self._connect()
        running = progress.current(redis, self._context.keys)
        job_id, budget = running, 0.0
        if not running:
            candidates = self._candidates(redis, deadline)
            job_id, running, budget = self._start(redis, candidates, deadline)
        if running and not join:
            raise Busy(f"the refresh {running} runs already", hint="without --no-join it is joined")
        record = RefreshRecord(redis, self._context.keys, running or job_id)
        if not wait:
            return self._outcome(record, None, joined=bool(running))
        deadline = deadline or Deadline.after(budget or _budget(record))
        return self._wait(record, deadline, on_progress, joined=bool(running))

    @translated()
    def wait_for(
        self, job_id: str, timeout: float | None = None, on_progress: OnProgress = None
    ) -> RefreshOutcome:
        """Wait for the end of a refresh that somebody has started.

        Raises:
            ConfigError: the timeout is not above 0.
            RedisUnavailable: Redis does not answer.
            DeadlinePassed: it has not ended in time.
        """
        deadline = _deadline(timeout)
        record = RefreshRecord(self._connect(), self._context.keys, job_id)
        deadline = deadline or Deadline.after(_budget(record))
        return self._wait(record, deadline, on_progress, joined=True)

    @translated()
    def ensure(
        self, min_count: int, timeout: float | None = None, on_progress: OnProgress = None
    ) -> int:
        """Refresh only if fewer than `min_count` proxies are usable; return how many are, after it.

        Raises: as `refresh` does.
        """
        deadline = _deadline(timeout)
        usable = len(Pool(self._connect(), self._context.keys).usable(self._fresh_for))
        if usable >= min_count:
            return usable
        return self._refresh(deadline, on_progress, join=True, wait=True).usable

    @translated()
    def needed(self, if_older_than: float | None = None, if_below: int | None = None) -> Need:
        """Tell whether one of the conditions that are given asks for a refresh; without any, yes."""
        if if_older_than is None and if_below is None:
            return Need(needed=True, why="asked for")
        state = Pool(self._connect(), self._context.keys).state()
        usable = len(state.usable(self._fresh_for))
        if state.refreshed_at is None:
            return Need(needed=True, why="there was none yet")
        age = max(0.0, state.now - state.refreshed_at)
        old = if_older_than is not None and age > if_older_than
        few = if_below is not None and usable < if_below
        return Need(old or few, f"{usable} usable, refreshed {duration.show(age)} ago")

    @translated()
    def progress(self, job_id: str | None = None) -> dict[str, Any] | None:
        """One look at a refresh, by default at the newest: the form of `orch status --json`."""
        redis, keys = self._context.redis, self._context.keys
        job_id = job_id or progress.last(redis, keys)
        if not job_id:
            return None
        seen = RefreshRecord(redis, keys, job_id).read()
        return seen.as_json() if seen.status else None

    @property
    def pool(self) -> Pool:
        """The pool."""
        return Pool(self._context.redis, self._context.keys)

    @property
    def snapshot(self) -> Snapshot:
        """The file that shows the pool."""
        return Snapshot(self._context.home.live_proxies, self._fresh_for)

    def usable_count(self) -> int:
        """How many proxies are usable now."""
        return len(self.pool.usable(self._fresh_for))

    @property
    def _fresh_for(self) -> float:
        return self._context.settings.proxies.fresh_for

    def _connect(self) -> Redis:
        """Connect for the whole refresh, with a PING, as Celery may try for long before it gives up."""
        return connect(self._context.config.redis_url, timeout=REDIS_TIMEOUT_S, retries=0)

    def _candidates(self, redis: Redis, deadline: Deadline | None) -> Candidates:
        settings = self._context.settings.proxies
        seconds = settings.source_timeout
        if deadline:
            seconds = min(seconds, deadline.share(SOURCES_PART).remaining())
        reading = Errand(lambda: asyncio.run(load(settings, self._context.home.path, seconds)))
        found = reading.result(deadline or Deadline.after(seconds + 5.0), "reading the sources")
        added = Pool(redis, self._context.keys).added()
        return Candidates(unique((*found.proxies, *added)), found.reports)

    def _start(
        self, redis: Redis, candidates: Candidates, deadline: Deadline | None
    ) -> tuple[str, str, float]:
        dispatch = Dispatch(self._context, self._app, redis)
        job_id, running, plan = dispatch.begin(candidates)
        if running:
            return job_id, running, 0.0
        if not plan.chunks:
            self._collector(redis).collect(job_id)
            return job_id, "", plan.budget_s
        sending = Errand(partial(dispatch.send, job_id, len(plan.chunks)))
        try:
            sending.result(deadline or Deadline.after(plan.budget_s), "sending the chunks")
        except OrchError:
            with contextlib.suppress(RedisError):  # then its lease runs out by itself
                self._collector(redis).collect(job_id, missing_ok=True)
            raise
        return job_id, "", plan.budget_s

    def _wait(
        self, record: RefreshRecord, deadline: Deadline, on_progress: OnProgress, *, joined: bool
    ) -> RefreshOutcome:
        waiting = Wait(
            record,
            self._collector(record.redis),
            self.snapshot,
            ChordNotice(record.redis, self._app, record.job_id),
            on_progress=on_progress,
            patience=self._patience,
        )
        return self._outcome(record, waiting.until(deadline), joined=joined)

    def _collector(self, redis: Redis) -> Collector:
        file = self._context.home.live_proxies
        return Collector(redis, self._context.keys, file, self._fresh_for)

    def _outcome(
        self, record: RefreshRecord, ended: RefreshStatus | None, *, joined: bool
    ) -> RefreshOutcome:
        """Put together what is known; from the file when Redis has gone meanwhile."""
        try:
            status = ended or record.read().status or RefreshStatus.DISPATCHED
            if ended:
                self._collector(record.redis).show(ended)
            said = {**record.facts(), **record.summary()}
            usable = len(Pool(record.redis, self._context.keys).usable(self._fresh_for))
        except RedisError:
            if not ended:
                raise
            status, said = ended, self.snapshot.read()
            usable = said.get("usable", 0)
        return RefreshOutcome(
            record.job_id,
            status,
            said.get("live", 0),
            usable,
            said.get("candidates", 0),
            said.get("reasons", {}),
            tuple(said.get("problems", ())),
            tuple(said.get("sources", ())),
            joined,
        )


def _deadline(timeout: float | None) -> Deadline | None:
    """The one deadline of everything that follows; None lets it be computed later."""
    if timeout is None:
        return None
    if not timeout > 0:
        raise ConfigError((f"timeout = {timeout:g}: must be above 0 seconds",))
    return Deadline.after(timeout)


def _budget(record: RefreshRecord) -> float:
    return float(record.facts().get("budget_s", UNKNOWN_BUDGET_S))
