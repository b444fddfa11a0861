"""The end of a page: result, new links and ack in one atomic step, or another attempt later."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.queue.model import QueueState
from orchestrator.queue.retry import RetryAt, RetryPolicy
from sites.crawl.work import new_page
from sites.fetch.answer import Answer, Failed, Moved, Page, Unchanged
from sites.fetch.kind import Kind
from sites.results.outcome import Outcome, Sight
from sites.url import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxies.model import Proxy
    from sites.crawl.desk import Desk
    from sites.crawl.frontier import Frontier
    from sites.crawl.told import Told
    from sites.crawl.work import Work
    from sites.definition.definition import Definition
    from sites.extract.extract import Extracted

#: A page with more letters of links is asked for in full every time.
MOST_LINKS = 200_000
_COMPLETE = frozenset({200, 304})


@dataclass(frozen=True, slots=True)
class Settler:
    """What the pages of a shard are ended with; `recipe` is a digest of what they are read by."""

    definition: Definition
    frontier: Frontier
    desk: Desk
    told: Told
    recipe: str = ""

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
            case Page() | Unchanged():
                outcome = replace(
                    base,
                    status=answer.status,
                    missing=found.missing,
                    items=found.items,
                    key=[*self.definition.item.key] if found.items else [],
                    unchanged=isinstance(answer, Unchanged),
                    sight=self._sight(answer, found),
                )
                links = found.links if work.depth < self.definition.limits.depth else []
                await self._lead_on(work, outcome, links, found.further)
            case Moved():
                await self._follow(work, base, answer)
            case Failed():
                await self._fail(work, base, answer)

    def _sight(self, answer: Page | Unchanged, found: Extracted) -> Sight | None:
        """Return what is kept for the next run, if the site may tell that the page is the same.

        Only by jobs that make use of it themselves: it is a kilobyte or two for each page.
        """
        if not self.definition.changed_only:
            return None
        if not (answer.etag or answer.last_modified) or answer.status not in _COMPLETE:
            return None
        links, further = found.links, found.further
        if sum(map(len, links)) + sum(map(len, further)) > MOST_LINKS:
            return None
        return Sight(answer.etag, answer.last_modified, self.recipe, links, further, found.dropped)

    async def _lead_on(
        self, work: Work, outcome: Outcome, deeper: Sequence[str], further: Sequence[str]
    ) -> None:
        """End a page, and tell the frontier of the links that it may not know yet."""
        deeper, further, epoch = self.told.new(deeper), self.told.new(further), self.frontier.epoch
        rank = self.definition.priority_of
        jobs = [new_page(url, work.depth + 1, priority=rank(url)) for url in deeper]
        jobs += [new_page(url, work.depth, priority=rank(url)) for url in further]
        await self.frontier.commit(work.lease, outcome, jobs)
        self.told.add((*deeper, *further), epoch)

    async def _follow(self, work: Work, base: Outcome, moved: Moved) -> None:
        """A redirect leads to a page of its own: it passes the gate, and no page comes twice."""
        target = canonical(moved.target, work.url)
        why = self._astray(work, target)
        if target is None or why:
            await self._fail(work, base, Failed(Kind.REDIRECT, why, status=moved.status))
            return
        reason, jobs = f"redirect to {target}", []
        if self.definition.allows(target):
            rank = self.definition.priority_of(target)
            jobs = [new_page(target, work.depth, (*work.via, work.url), priority=rank)]
        else:
            reason += ", which is not on an allowed host"
        outcome = replace(base, state=QueueState.SKIPPED, status=moved.status, reason=reason)
        await self.frontier.commit(work.lease, outcome, jobs)
        if not jobs and not work.depth:  # a start page: usually the site has moved
            await self.desk.note("error", f"{work.url} redirects to {target}, not in allowed_hosts")

    def _astray(self, work: Work, target: str | None) -> str:
        """Say why a redirect is not followed; "" when it is."""
        if target is None or target == work.url:
            return "to itself or to what is no page"
        if target in work.via:
            return f"in a circle, by {target}"
        most = self.definition.limits.redirects
        return f"more than {most} in a row" if len(work.via) >= most else ""

    async def _fail(self, work: Work, base: Outcome, failed: Failed) -> None:
        rule = failed.rule
        most = rule.attempts(self.definition.limits.attempts)
        decision = RetryPolicy(most, rule.backoff).decide(
            work.lease.attempt,
            random.random(),  # noqa: S311 (jitter)
            failed.retry_after,
            permanent=not rule.retry,
        )
        if isinstance(decision, RetryAt):
            await self.frontier.retry(work.lease, failed.reason, decision.delay)
            return
        state = QueueState.SKIPPED if rule.skip else QueueState.ERROR
        outcome = replace(
            base, state=state, status=failed.status, kind=str(failed.kind), reason=failed.reason
        )
        await self.frontier.commit(work.lease, outcome, [])
        if state is QueueState.ERROR:
            await self.desk.note("error", f"{failed.reason} ({work.url})")
