"""The work queue as people embed it: a store with the decisions that are not the store's."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.queue.arguments import (
    any_state,
    end_state,
    finite,
    length,
    one_of,
    result_text,
    several,
    whole,
)
from orchestrator.queue.host import at_known_hosts
from orchestrator.queue.model import (
    LONGEST_DELAY_S,
    Lease,
    Limits,
    NewJob,
    OnConflict,
    QueueState,
    require_name,
)
from orchestrator.queue.retry import GiveUp, RetryAt, RetryPolicy
from orchestrator.queue.texts import json_text, reason_text
from orchestrator.queue.token import attempt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from orchestrator.queue.model import Job, Stats
    from orchestrator.queue.store import Store

LEASE_TTL_S = 600.0


@dataclass(frozen=True, slots=True)
class WorkQueue:
    """Durable work: enqueue, lease, heartbeat, ack or retry. Threads may share one.

    What is wrong with an argument is told by a ValueError that names it; nothing is written then.

    >>> from orchestrator.queue.open import open_queue  # doctest: +SKIP
    >>> with open_queue("data/queue.sqlite") as queue:  # doctest: +SKIP
    ...     queue.enqueue("report-7", {"url": "https://x.example/7"}, host="x.example")
    True
    """

    store: Store
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    lease_ttl_s: float = LEASE_TTL_S
    clock: Clock = SYSTEM
    draw: Callable[[], float] = random.random

    def __enter__(self) -> Self:
        self.store.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def close(self) -> None:
        """Let go of all connections; another call opens them again."""
        self.store.close()

    def enqueue(
        self,
        artifact_id: str,
        payload: Any = None,
        *,
        key: str | None = None,
        host: str | None = None,
        priority: int | None = None,
        not_before: float | None = None,
        on_conflict: OnConflict | str = OnConflict.IGNORE,
    ) -> bool:
        """Add one job whose `payload` is any JSON value; tell whether it was new, or queued anew.

        `not_before` is a time, in seconds since 1970. `host` is one, or any URL at it. What is
        None is `{}`, "", 0 and now for a new job, and stays as it is for one that `on_conflict` changes.
        """
        given = {
            "payload": None if payload is None else json_text("payload", payload),
            "priority": priority,
            "delay": None if not_before is None else self._until(not_before),
            "key": key,
            "host": host,
        }
        fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        job = NewJob(
            artifact_id, **fields, keep=tuple(name for name in given if name not in fields)
        )
        return bool(self.enqueue_many([job], on_conflict))

    def enqueue_many(
        self, jobs: Sequence[NewJob], on_conflict: OnConflict | str = OnConflict.IGNORE
    ) -> int:
        """Add jobs in one step for each 1,000; return how many were new, or queued anew."""
        jobs = at_known_hosts(jobs)
        return self.store.enqueue(jobs, one_of(OnConflict, on_conflict, list(OnConflict)))

    def lease(self, n: int = 1, worker: str = "", ttl: float | None = None) -> list[Lease]:
        """Take up to `n` jobs for `ttl` seconds; only those that this call took are returned."""
        require_name("worker", worker)
        return self.store.lease(
            whole("n", n),
            self._ttl(ttl),
            worker=worker,
            max_attempts=self.policy.max_attempts,
        )

    def heartbeat(self, tokens: Iterable[str], ttl: float | None = None) -> list[str]:
        """Let leases that have not run out end `ttl` seconds from now; return the tokens that are lost."""
        return self.store.heartbeat(several(tokens), self._ttl(ttl))

    def ack(
        self,
        token: str,
        state: QueueState | str = QueueState.DONE,
        result: Any = None,
        *,
        reason: str = "",
    ) -> None:
        """End the job as done, skipped or error, with a `result` that is any JSON value, or None.

        Raises:
            LeaseLost: the token is not current.
        """
        self.store.ack(
            token, end_state(state), reason=reason_text(reason), result=result_text(result)
        )

    def commit(self, token: str, result: Any = None, new_jobs: Sequence[NewJob] = ()) -> int:
        """End the job as done, with its result and its new jobs, in one step; return how many were new.

        Raises:
            LeaseLost: the token is not current; nothing was written but what went ahead (`Store.commit`).
        """
        jobs = at_known_hosts(new_jobs)
        return self.store.commit(token, QueueState.DONE, result=result_text(result), new_jobs=jobs)

    def fail_and_retry(
        self, token: str, error: str, retry_after: float | None = None, *, permanent: bool = False
    ) -> RetryAt | GiveUp:
        """Let the job wait for its next attempt, or end it as error; return which.

        It waits by exponential backoff with full jitter, and never shorter than `retry_after` seconds.
        A `permanent` error is not tried again.

        Raises:
            LeaseLost: the token is not current.
        """
        least = None if retry_after is None else length("retry_after", retry_after)
        decision = self.policy.decide(attempt_of(token), self.draw(), least, permanent=permanent)
        match decision:
            case RetryAt(delay):
                self.store.retry(token, reason_text(error), delay)
            case GiveUp(why):
                reason = error if permanent else f"{why}: {error}"
                self.store.ack(token, QueueState.ERROR, reason=reason_text(reason))
        return decision

    def release(self, tokens: Iterable[str], delay: float = 0.0) -> list[str]:
        """Give back what was not started; the attempt is not counted. Return the tokens lost before.

        Nobody has it before `delay` seconds are over.
        """
        return self.store.release(several(tokens), length("delay", delay))

    def stats(self) -> Stats:
        """Count the jobs by state and key; it costs the same for any number of them."""
        return self.store.stats()

    def limits(self) -> Limits:
        """The limits that hold, for every process."""
        return self.store.limits()

    def set_limits(self, limits: Limits) -> None:
        """Have these hold from the next lease on, for every process; what is leased stays leased.

        All of them are set: no configuration of a runner goes over them.
        """
        named = {f"per_key[{key!r}]": limit for key, limit in limits.per_key.items()}
        for what, limit in {
            **named,
            "every_key": limits.every_key,
            "per_host": limits.per_host,
        }.items():
            if limit is not None:
                whole(what, limit)
        self.store.set_limits(replace(limits, defaults=frozenset()))

    def job(self, job_id: str) -> Job | None:
        """All about one job; None when there is none of that id."""
        return self.store.job(job_id)

    def jobs(
        self,
        *,
        state: QueueState | str | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Job]:
        """Some jobs: queued ones by when they are due, others newest first; only those behind `after`."""
        most = whole("limit", limit)
        return self.store.jobs(state=any_state(state), key=key, limit=most, after=after)

    def every(
        self, *, state: QueueState | str | None = None, key: str | None = None
    ) -> Iterator[Job]:
        """Each job once, however many: few of them are in memory at a time."""
        return self.store.every(state=any_state(state), key=key)

    def cancel(self, job_ids: Iterable[str], reason: str = "cancelled") -> int:
        """End as skipped what is queued or in progress (whose holder loses the lease); return how many."""
        return self.store.cancel(several(job_ids), reason_text(reason))

    def expire(self, worker: str, job_ids: Iterable[str]) -> list[str]:
        """Let the leases that `worker` holds of these jobs run out now; return the ids of those."""
        return self.store.expire(worker, several(job_ids))

    def retry_failed(
        self,
        ids: Iterable[str] | None = None,
        *,
        key: str | None = None,
        error_like: str = "",
        limit: int | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """Queue anew jobs that ended as error, oldest first, attempts from the start; return their ids.

        With `ids` only those.
        """
        most = None if limit is None else whole("limit", limit)
        these = None if ids is None else several(ids)
        return self.store.retry_failed(
            ids=these, key=key, error_like=error_like, limit=most, dry_run=dry_run
        )

    def prune(self, older_than: float, states: Iterable[QueueState | str] | None = None) -> int:
        """Forget jobs that ended longer than `older_than` seconds ago; return how many."""
        age = length("older_than", older_than)
        if states is None:
            return self.store.prune(age)
        return self.store.prune(age, [end_state(state) for state in several(states)])

    def forget(self, job_ids: Iterable[str]) -> list[str]:
        """Forget those of these jobs that have ended, whenever that was; return their ids."""
        return self.store.forget(several(job_ids))

    def _until(self, not_before: float) -> float:
        """In how many seconds that is; 0.0: it is over."""
        at = finite("not_before", not_before)
        delay = max(0.0, at - self.clock.wall())
        if delay > LONGEST_DELAY_S:
            raise ValueError(
                f"not_before is seconds since 1970, and {not_before!r} is more than ten years from now"
            )
        return delay

    def _ttl(self, ttl: float | None) -> float:
        found = self.lease_ttl_s if ttl is None else finite("ttl", ttl)
        if found <= 0:
            raise ValueError(f"ttl must be a number of seconds, more than 0, not {ttl!r}")
        return found
