"""What every store of a work queue can do: the contract that `tests/contract/queue` holds them to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from orchestrator.queue.model import (
        Job,
        Lease,
        Limits,
        NewJob,
        OnConflict,
        QueueState,
        Stats,
    )


class Store(Protocol):
    """A durable queue. Times are the store's own: no clock of a caller decides anything.

    A `token` names a job, its lease and its attempt; it is current until the lease ends, runs out, or
    the job is taken from its holder. Text that no store ever gave out is a token that is not current.
    Every verb is atomic. Threads may share a store, and so may a process and its forked children.

    A job that is queued anew starts from its beginning: no attempts, no reason, no result; only its
    history stays.
    """

    @property
    def shared(self) -> str:
        """The URL of the Redis that it is in; "" for a file, which the processes of one machine share."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None:
        """Let go of all connections; another call opens them again."""

    def together(self) -> AbstractContextManager[None]:
        """Verbs inside cost one transaction where the store can; each still stands for itself.

        One that is refused (`LeaseLost`) undoes nothing of the others, nor does an error that leaves the
        block. Blocks may be nested; other threads go on beside it, or wait for its end.
        """

    def enqueue(self, jobs: Sequence[NewJob], on_conflict: OnConflict = ...) -> int:
        """Add jobs in one step for each 1,000; return how many were new, or queued anew.

        An id that comes twice is new the first time and known the second. One that was only updated
        is not counted.
        """

    def lease(self, n: int, ttl: float, *, worker: str = "", max_attempts: int = 3) -> list[Lease]:
        """Take up to `n` jobs for `ttl` seconds and return only what this call took.

        Lower priority first; within one, the keys take turns, and a key's hosts; within those, order of
        arrival. Never beyond the limits, counted from live leases. Before that, jobs whose time has come
        become ready, and leases that ran out go back, or after `max_attempts` end as error; also when
        `n` is 0. What was held back by a limit may come up to half a second after the limit allows it.
        """

    def heartbeat(self, tokens: Iterable[str], ttl: float) -> list[str]:
        """Let these leases end `ttl` seconds from now; return the tokens that are not current."""

    def ack(
        self, token: str, state: QueueState, *, reason: str = "", result: str | None = None
    ) -> None:
        """End the job as done, skipped or error; keep `result` (JSON).

        Raises:
            LeaseLost: the token is not current.
            ValueError: `state` is none in which a job ends.
        """

    def retry(self, token: str, error: str, delay: float) -> None:
        """Let the job wait `delay` seconds for its next attempt.

        Raises:
            LeaseLost: the token is not current.
        """

    def release(self, tokens: Iterable[str], delay: float = 0.0) -> list[str]:
        """Give back unstarted jobs, attempt not counted, first of their turn; return tokens not current.

        With a `delay`, in seconds, nobody has them before that, and their turn is past.
        """

    def commit(
        self,
        token: str,
        state: QueueState,
        *,
        reason: str = "",
        result: str | None = None,
        new_jobs: Sequence[NewJob] = (),
    ) -> int:
        """End the job, keep its result and add its new jobs in one step; return how many were new.

        New jobs that are known are ignored, the job itself among them. Of more than 1,000 the first ones
        are enqueued ahead and the ack comes last.

        Raises:
            LeaseLost: the token is not current; no ack and no result.
        """

    def limits(self) -> Limits:
        """The limits that hold."""

    def set_limits(self, limits: Limits) -> None:
        """Have these hold from the next lease on, for every process; what is leased stays leased."""

    def stats(self) -> Stats:
        """Count, at the same cost for any number of jobs."""

    def wakes(self, timeout: float) -> bool:
        """Wait until there may be new work, by whatever process, `timeout` seconds at most.

        Work that came since the last `lease` through this store counts: none is missed in between. Return
        False when none came; True may now and then be wrong, but not while the queue is at rest. What
        becomes due is not new work: `next_at` tells when.
        """

    def next_at(self) -> float | None:
        """In how many seconds the next delayed job or lease is due (0: now); None: there is neither."""

    def job(self, job_id: str) -> Job | None:
        """All about one job."""

    def jobs(
        self,
        *,
        state: QueueState | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Job]:
        """Some jobs: queued ones by when they are due, others newest first; only those behind job `after`.

        Newest is what was leased last, or ended last. Without a `state` the order is the store's.

        Raises:
            ValueError: `after` is not, or no longer, of the state.
        """

    def every(self, *, state: QueueState | None = None, key: str | None = None) -> Iterator[Job]:
        """Each job once, in the store's order, as it is when its turn comes.

        Few are in memory at a time, and nothing is open in the store while the caller looks at one. What
        is enqueued meanwhile may be left out.
        """

    def cancel(self, job_ids: Iterable[str], reason: str = "cancelled") -> int:
        """End as skipped what is queued or in progress (whose holder loses the lease); return how many.

        What has ended, and what is unknown, is left alone.
        """

    def expire(self, worker: str, job_ids: Iterable[str]) -> list[str]:
        """Let the leases that `worker` holds of these jobs run out now; return the ids of those that did.

        All is as if their time had passed: tokens are not current, the attempts count, and the next
        `lease` takes the jobs back.
        """

    def retry_failed(
        self,
        *,
        ids: Iterable[str] | None = None,
        key: str | None = None,
        error_like: str = "",
        limit: int | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """Queue anew jobs that ended as error, oldest first, attempts from the start; return their ids.

        With `ids` only those, in that order. `error_like` is looked for in the reason, whatever the case
        of its letters.
        """

    def prune(self, older_than: float, states: Iterable[QueueState] | None = None) -> int:
        """Forget jobs that ended longer than `older_than` seconds ago, in `states` only; return how many.

        Their ids are as good as new. What has not ended is never forgotten.
        """

    def forget(self, job_ids: Iterable[str]) -> list[str]:
        """The same of single jobs, however long ago they ended; return the ids of those forgotten."""
