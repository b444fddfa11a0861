"""Refreshing the pool: what the facade and the command line call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core import duration
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import Busy, ConfigError
from orchestrator.core.redis import RedisError, connect, translated
from proxies.pool.pool import Pool
from proxies.pool.snapshot import Snapshot
from proxies.refresh import progress
from proxies.refresh.collect import Collector
from proxies.refresh.dispatch import Dispatch
from proxies.refresh.limit import Limit
from proxies.refresh.member import Member
from proxies.refresh.notice import ChordNotice
from proxies.refresh.outcome import Need, RefreshOutcome
from proxies.refresh.progress import RefreshRecord, RefreshStatus
from proxies.refresh.start import Start, Started
from proxies.refresh.wait import Patience, Wait
from proxies.sources.sources import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery

    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis
    from proxies.refresh.mend import Redo
    from proxies.refresh.progress import Progress

    OnProgress = Callable[[Progress], None] | None

#: Redis answers a single command within such times, or counts as away for the moment, in seconds: the
#: more time there is in all, the longer.
REDIS_TIMEOUTS_S = (0.5, 2.0)
REDIS_PART = 0.05
#: Without anything known of a refresh, it is waited for so long, in seconds.
UNKNOWN_BUDGET_S = 600.0


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a refresh; without a deadline one is computed."""

    deadline: Deadline | None = None
    want: int = 0
    join: bool = True
    wait: bool = True
    why: str = ""


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
        want: int = 0,
        join: bool = True,
        wait: bool = True,
        on_progress: OnProgress = None,
        why: str = "",
    ) -> RefreshOutcome:
        """Check the candidates and put the live ones into the pool.

        While another refresh runs, this one joins it. With `want` it ends as soon as so many usable
        ones are found. Without a `timeout` one is computed from the chunks, the live slots and what
        chunks took lately, again and again. Without `wait` it returns when the chunks are on their
        way. `why` is told in the events.

        Raises:
            ConfigError: the timeout is not above 0, or sources cannot be read.
            Busy: another refresh runs, and we are not to `join`.
            NotRunning: there is no worker; nothing was started.
            RedisUnavailable: Redis does not answer; nothing was started.
            DeadlinePassed: the refresh has not ended in time; it may still go on.
        """
        ask = Ask(_deadline(timeout), want, join, wait, why)
        return self._refresh(ask, on_progress)

    def _refresh(self, ask: Ask, on_progress: OnProgress) -> RefreshOutcome:
        require(self._context.settings.proxies, self._context.home)
        redis = self._connect(ask.deadline)
        running = progress.current(redis, self._context.keys)
        started = Started(running, joined=True)
        if not running:
            start = Start(self._context, redis, self._dispatch(redis))
            started = start.run(ask.deadline, ask.want, ask.why)
        record = RefreshRecord(redis, self._context.keys, started.job_id)
        if started.joined:
            if not ask.join:
                told = f"the refresh {record.job_id} runs already"
                raise Busy(told, hint="without --no-join it is joined")
            record.widen(ask.want)
        if not ask.wait:
            return self._outcome(record, None, joined=started.joined)
        limit = self._limit(record, ask.deadline, started.budget_s)
        return self._wait(record, limit, on_progress, joined=started.joined)

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
        record = RefreshRecord(self._connect(deadline), self._context.keys, job_id)
        return self._wait(record, self._limit(record, deadline), on_progress, joined=True)

    @translated()
    def ensure(
        self, min_count: int, timeout: float | None = None, on_progress: OnProgress = None
    ) -> int:
        """Refresh only if fewer than `min_count` proxies are usable; return how many are, after it.

        Raises: as `refresh` does.
        """
        deadline = _deadline(timeout)
        usable = len(Pool(self._connect(deadline), self._context.keys).usable(self._fresh_for))
        if usable >= min_count:
            return usable
        return self._refresh(Ask(deadline), on_progress).usable

    @translated()
    def needed(self, if_older_than: float | None = None, if_below: int | None = None) -> Need:
        """Tell whether one of the conditions that are given asks for a refresh; without any, yes."""
        if if_older_than is None and if_below is None:
            return Need(needed=True, why="asked for")
        state = Pool(self._connect(None), self._context.keys).state()
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
        return Snapshot.of(self._context)

    def usable_count(self) -> int:
        """How many proxies are usable now."""
        return len(self.pool.usable(self._fresh_for))

    @property
    def _fresh_for(self) -> float:
        return self._context.settings.proxies.fresh_for

    def _connect(self, deadline: Deadline | None) -> Redis:
        """Connect for the whole refresh, with a PING, as Celery may try for long before it gives up."""
        least, most = REDIS_TIMEOUTS_S
        timeout = max(least, deadline.share(REDIS_PART).cap(most)) if deadline else most
        return connect(self._context.config.redis_url, timeout=timeout, retries=0)

    def _dispatch(self, redis: Redis) -> Dispatch:
        return Dispatch(self._context, self._app, redis)

    def _limit(self, record: RefreshRecord, given: Deadline | None, budget_s: float = 0.0) -> Limit:
        if given:
            return Limit(given)
        seconds = budget_s or float(record.facts().get("budget_s", UNKNOWN_BUDGET_S))
        return Limit(Deadline.after(seconds), self._dispatch(record.redis).left)

    def _wait(
        self, record: RefreshRecord, limit: Limit, on_progress: OnProgress, *, joined: bool
    ) -> RefreshOutcome:
        waiting = Wait(
            record,
            Collector.of(self._context, record.redis),
            ChordNotice(record.redis, self._app, record.job_id),
            lambda lost: self._redo(record.job_id, lost),
            on_progress=on_progress,
            patience=self._patience,
        )
        return self._outcome(record, waiting.until(limit), joined=joined)

    def _redo(self, job_id: str, lost: Redo) -> bool:
        return Member(self._context, job_id, lost.index, silent=lost.silent).run()

    def _outcome(
        self, record: RefreshRecord, ended: RefreshStatus | None, *, joined: bool
    ) -> RefreshOutcome:
        """Put together what is known; from the file when Redis has gone meanwhile."""
        try:
            status = ended or record.read().status or RefreshStatus.DISPATCHED
            if ended:
                Collector.of(self._context, record.redis).show(ended)
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
            said.get("checked", 0),
            said.get("early", False),
        )


def _deadline(timeout: float | None) -> Deadline | None:
    """The one deadline of everything that follows; None lets it be computed later."""
    if timeout is None:
        return None
    if not timeout > 0:
        raise ConfigError((f"timeout = {timeout:g}: must be above 0 seconds",))
    return Deadline.after(timeout)
