"""The end of a page: result, new links and ack in one atomic step, or another attempt later."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.core.backoff import Backoff
from orchestrator.core.clock import SYSTEM
from orchestrator.queue.model import NewJob, QueueState, Result
from orchestrator.queue.retry import RetryAt, RetryPolicy
from sites.fetch import Answer, Failed, Kind, Moved, Page
from sites.outcome import Outcome
from sites.patience import patiently
from sites.url import canonical
from sites.work import new_page

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import AsyncRedis
    from orchestrator.queue.redis import AsyncRedisQueue
    from proxies.model import Proxy
    from sites.definition import Definition
    from sites.extract import Extracted
    from sites.move import JobRef
    from sites.work import Work

_BACKOFF = Backoff(base=0.5, cap=60.0)


@dataclass(frozen=True, slots=True)
class Settler:
    """What the pages of a shard are ended with."""

    ref: JobRef
    definition: Definition
    redis: AsyncRedis
    keys: Keys
    queue: AsyncRedisQueue

    async def settle(
        self, work: Work, answer: Answer, found: Extracted, proxy: Proxy | None
    ) -> None:
        """End the page, or let it wait for its next attempt.

        Raises:
            LeaseLost: somebody else has the page now; nothing was written.
        """
        base = Outcome(
            url=work.url,
            state=QueueState.DONE,
            attempts=work.lease.attempt,
            depth=work.depth,
            proxy=proxy.masked if proxy else "",
            fetched_at=round(SYSTEM.wall(), 3),
        )
        match answer:
            case Page():
                outcome = replace(
                    base, status=answer.status, missing=found.missing, items=found.items
                )
                links = found.links if work.depth < self.definition.limits.depth else []
                jobs = [new_page(url, work.depth + 1) for url in links]
                await self._commit(work, outcome, jobs)
            case Moved():
                await self._follow(work, base, answer)
            case Failed():
                await self._fail(work, base, answer)

    async def _follow(self, work: Work, base: Outcome, moved: Moved) -> None:
        """A redirect leads to a page of its own: it passes the gate, and no page comes twice."""
        target = canonical(moved.target, work.url)
        why = None
        if target is None or target == work.url:
            why = "to itself or to what is no page"
        elif work.hops >= self.definition.limits.redirects:
            why = f"more than {work.hops} in a row"
        if target is None or why:
            await self._fail(work, base, Failed(Kind.REDIRECT, why or "", status=moved.status))
            return
        reason, jobs = f"redirect to {target}", []
        if self.definition.allows(target):
            jobs = [new_page(target, work.depth, work.hops + 1)]
        else:
            reason += ", which is not on an allowed host"
        outcome = replace(base, state=QueueState.SKIPPED, status=moved.status, reason=reason)
        await self._commit(work, outcome, jobs)
        if not jobs and not work.depth:  # a start page: usually the site has moved
            await self._note("error", f"{work.url} redirects to {target}, not in allowed_hosts")

    async def _fail(self, work: Work, base: Outcome, failed: Failed) -> None:
        decision = RetryPolicy(self.definition.limits.attempts, _BACKOFF).decide(
            work.lease.attempt,
            random.random(),  # noqa: S311 (jitter)
            failed.retry_after,
            permanent=not failed.rule.retry,
        )
        if isinstance(decision, RetryAt):
            await self._retry(work, failed.reason, decision.delay)
            return
        state = QueueState.SKIPPED if failed.rule.skip else QueueState.ERROR
        outcome = replace(
            base, state=state, status=failed.status, kind=str(failed.kind), reason=failed.reason
        )
        await self._commit(work, outcome, [])
        if state is QueueState.ERROR:
            await self._note("error", f"{failed.reason} ({work.url})")

    async def _commit(self, work: Work, outcome: Outcome, jobs: list[NewJob]) -> None:
        result = Result(
            outcome.to_json(),
            self.keys.results(),
            self.keys.results_bytes(),
            {"site": self.ref.site, "job": self.ref.id, "id": work.url},
        )
        await patiently(
            lambda: self.queue.commit(
                work.lease.id,
                work.lease.token,
                state=QueueState(outcome.state),
                reason=outcome.reason or None,
                result=result,
                new_jobs=jobs,
                most=self.definition.limits.pages,
            )
        )

    async def _retry(self, work: Work, error: str, delay: float) -> None:
        lease = work.lease
        await patiently(
            lambda: self.queue.fail_and_retry(lease.id, lease.token, error, delay=delay)
        )

    async def _note(self, field: str, text: str) -> None:
        """Keep something in the job's record, for people."""
        record = self.keys.job(self.ref.site, self.ref.id, "record")
        await patiently(lambda: self.redis.hset(record, field, text))
