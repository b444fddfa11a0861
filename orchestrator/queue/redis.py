"""The work queue on Redis: one script for each verb, on the server's clock.

`RedisQueue` and `AsyncRedisQueue` have the same methods. A verb whose reply was lost may have been
carried out: what it leased comes back when the lease runs out, and a second ack of the same token
is answered by `LeaseLost`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.queue.model import QueueState
from orchestrator.queue.verbs import MAX_ATTEMPTS, MOST_A_CALL, Verbs, batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.core.keys import QueueKeys
    from orchestrator.core.redis import Redis
    from orchestrator.core.script import AsyncScripts
    from orchestrator.queue.model import Lease, NewJob, Result, Stats


class RedisQueue:
    """A durable queue, for code that may wait."""

    def __init__(self, client: Redis, keys: QueueKeys) -> None:
        self._client = client
        self._verbs = Verbs(keys)

    def enqueue(self, jobs: Sequence[NewJob], *, most: int | None = None) -> int:
        """Add jobs, idempotent by id; return how many were new. Long lists go in pieces.

        With `most`, nothing is added beyond so many ids that were ever known.
        """
        return sum(self._verbs.enqueue(piece, most).run(self._client) for piece in batches(jobs))

    def lease(
        self,
        n: int,
        ttl: float,
        *,
        backlog: tuple[str, int] | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> list[Lease]:
        """Take up to `n` jobs for `ttl` seconds and return only what this call took.

        Before that, jobs whose delay is over become ready, and leases that ran out go back or,
        after `max_attempts`, end as error. With `backlog` = (key, limit) nothing is taken while
        the counter at that key has reached the limit.
        """
        call = self._verbs.lease(n, ttl, backlog=backlog, max_attempts=max_attempts)
        return call.run(self._client)

    def extend(self, tokens: Mapping[str, str], ttl: float) -> list[str]:
        """Let these leases (id -> token) end `ttl` seconds from now; return the ids now lost."""
        return self._verbs.extend(tokens, ttl).run(self._client) if tokens else []

    def ack(self, job_id: str, token: str, state: QueueState, reason: str | None = None) -> None:
        """End the job as done, skipped or error.

        Raises:
            LeaseLost: the token is not current or its lease ran out.
        """
        self._verbs.ack(job_id, token, state, reason).run(self._client)

    def fail(self, job_id: str, token: str, reason: str) -> None:
        """End the job as error.

        Raises:
            LeaseLost: the token is not current or its lease ran out.
        """
        self.ack(job_id, token, QueueState.ERROR, reason)

    def fail_and_retry(self, job_id: str, token: str, error: str, *, delay: float) -> None:
        """Let the job wait `delay` seconds for its next attempt; whether to is the caller's choice.

        Raises:
            LeaseLost: the token is not current or its lease ran out.
        """
        self._verbs.retry(job_id, token, error, delay).run(self._client)

    def release(self, tokens: Mapping[str, str]) -> list[str]:
        """Give back unstarted jobs (id -> token), attempt not counted; return those lost before."""
        return self._verbs.release(tokens).run(self._client) if tokens else []

    def commit(
        self,
        job_id: str,
        token: str,
        *,
        state: QueueState = QueueState.DONE,
        reason: str | None = None,
        result: Result | None = None,
        new_jobs: Sequence[NewJob] = (),
        most: int | None = None,
    ) -> int:
        """End the job, add its result and its new jobs in one step; return how many were new.

        Of more new jobs than fit into a step, the first ones are enqueued ahead and the ack comes
        last: a crash in between repeats the job and loses nothing. With `most`, no new job is added
        beyond so many ids that were ever known.

        Raises:
            LeaseLost: the token is not current or its lease ran out; no ack and no result.
        """
        ahead, last = new_jobs[:-MOST_A_CALL], new_jobs[-MOST_A_CALL:]
        new = self.enqueue(ahead, most=most)
        call = self._verbs.commit(job_id, token, state, reason, result, last, most)
        return new + call.run(self._client)

    def stats(self) -> Stats:
        """Count the jobs by state, at the same cost for any number of them."""
        return self._verbs.stats().run(self._client)

    def retire(self, ttl: float) -> None:
        """Let the whole queue expire after `ttl` seconds: its work is finished and drained."""
        self._verbs.retire(ttl).run(self._client)


class AsyncRedisQueue:
    """The same queue for an event loop; each method as in `RedisQueue`."""

    def __init__(self, client: AsyncScripts, keys: QueueKeys) -> None:
        self._client = client
        self._verbs = Verbs(keys)

    async def enqueue(self, jobs: Sequence[NewJob], *, most: int | None = None) -> int:
        """Add jobs, idempotent by id; return how many were new."""
        new = 0
        for piece in batches(jobs):
            new += await self._verbs.enqueue(piece, most).run_async(self._client)
        return new

    async def lease(
        self,
        n: int,
        ttl: float,
        *,
        backlog: tuple[str, int] | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> list[Lease]:
        """Take up to `n` jobs for `ttl` seconds and return only what this call took."""
        call = self._verbs.lease(n, ttl, backlog=backlog, max_attempts=max_attempts)
        return await call.run_async(self._client)

    async def extend(self, tokens: Mapping[str, str], ttl: float) -> list[str]:
        """Let these leases (id -> token) end `ttl` seconds from now; return the ids now lost."""
        return await self._verbs.extend(tokens, ttl).run_async(self._client) if tokens else []

    async def ack(
        self, job_id: str, token: str, state: QueueState, reason: str | None = None
    ) -> None:
        """End the job as done, skipped or error, or raise `LeaseLost`."""
        await self._verbs.ack(job_id, token, state, reason).run_async(self._client)

    async def fail(self, job_id: str, token: str, reason: str) -> None:
        """End the job as error, or raise `LeaseLost`."""
        await self.ack(job_id, token, QueueState.ERROR, reason)

    async def fail_and_retry(self, job_id: str, token: str, error: str, *, delay: float) -> None:
        """Let the job wait `delay` seconds for its next attempt, or raise `LeaseLost`."""
        await self._verbs.retry(job_id, token, error, delay).run_async(self._client)

    async def release(self, tokens: Mapping[str, str]) -> list[str]:
        """Give back unstarted jobs (id -> token), attempt not counted; return those lost before."""
        return await self._verbs.release(tokens).run_async(self._client) if tokens else []

    async def commit(
        self,
        job_id: str,
        token: str,
        *,
        state: QueueState = QueueState.DONE,
        reason: str | None = None,
        result: Result | None = None,
        new_jobs: Sequence[NewJob] = (),
        most: int | None = None,
    ) -> int:
        """End the job, add result and new jobs in one step, or raise `LeaseLost`."""
        ahead, last = new_jobs[:-MOST_A_CALL], new_jobs[-MOST_A_CALL:]
        new = await self.enqueue(ahead, most=most)
        call = self._verbs.commit(job_id, token, state, reason, result, last, most)
        return new + await call.run_async(self._client)

    async def stats(self) -> Stats:
        """Count the jobs by state, at the same cost for any number of them."""
        return await self._verbs.stats().run_async(self._client)

    async def retire(self, ttl: float) -> None:
        """Let the whole queue expire after `ttl` seconds: its work is finished and drained."""
        await self._verbs.retire(ttl).run_async(self._client)
