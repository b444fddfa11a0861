"""Asking the site for a page: the gate, a proxy where one is wanted, and the request."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import BreakerOpen, Paused, Refused
from orchestrator.core.patience import patiently
from orchestrator.gate.permit import Report, Verdict
from proxies.pool.picker import Outcome
from sites.crawl.suspects import Suspects
from sites.fetch.answer import Answer, Failed, Page
from sites.fetch.kind import Kind
from sites.politeness.manners import quiet_for, windows
from sites.politeness.robots_rules import MOST_BYTES
from sites.url import host_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.gate.async_gate import AsyncGate
    from orchestrator.gate.passage import Permit
    from proxies.model import Proxy
    from proxies.pool.picker import Lease
    from sites.crawl.picks import Picks
    from sites.crawl.work import Work
    from sites.definition.definition import Definition
    from sites.fetch.answer import Proof
    from sites.fetch.transport import Transport
    from sites.politeness.robots import Robots
    from sites.results.memory import Known

#: A turn at the gate is booked at most so far ahead, in seconds: what is booked is lost on a stop.
BOOKED_AHEAD_S = 2.0
#: A page that is refused at the gate looks again after so long at most, in seconds.
LOOK_AGAIN_S = 1.0
#: How often a page that waits for a proxy looks again, in seconds.
PROXY_LOOK_S = 0.5
#: So many proxies are tried for a page before it counts as an attempt.
PROXIES_A_TRY = 3


class Wanted(NamedTuple):
    """What is asked for; with `head` only so many bytes of it. With a `proof` it may be unchanged."""

    url: str
    head: int = 0
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Asker:
    """What the pages of a shard are asked for with.

    `robots`: what its hosts forbid, where that is heeded. `jitter` of 0..1 tells how long a request waits
    that may be made now. `expects` tells whether a page has the items that it should have: then it is no
    block, unless that is certain. `known` tells what a run before knows of a page.
    """

    definition: Definition
    gate: AsyncGate
    transport: Transport
    picker: Picks
    robots: Robots | None = None
    jitter: Callable[[float], float] = lambda _: 0.0
    expects: Callable[[Page, str], bool] = lambda _page, _url: False
    known: Callable[[str], Known | None] = lambda _: None

    async def ask(self, work: Work) -> tuple[Answer, Proxy | None]:
        """Return what the site answered, and through which proxy; a dead proxy is changed.

        A site that requires proxies is never asked directly; one that prefers them is, when there
        is none, or the last one that is tried. A work that is closing is cancelled before a request.
        What a robots.txt forbids is not asked for; that itself is asked for in the same way.
        """
        if self.robots is not None:
            refusal = await self.robots.refusal(work.url, partial(self._for_robots, work))
            if refusal is not None:
                return refusal, None
        work.known = self.known(work.url)
        proof = work.known.proof if work.known is not None else None
        return await self._get(work, Wanted(work.url, proof=proof))

    async def _for_robots(self, work: Work, url: str) -> Answer:
        answer, _ = await self._get(work, Wanted(url, MOST_BYTES))
        work.waiting = True
        return answer

    async def _get(self, work: Work, wanted: Wanted) -> tuple[Answer, Proxy | None]:
        suspects = Suspects(self.picker)
        try:
            found = await self._ask(work, wanted, suspects)
        except BaseException:
            await suspects.release()
            raise
        await suspects.rest()
        return found

    async def _ask(
        self, work: Work, wanted: Wanted, suspects: Suspects
    ) -> tuple[Answer, Proxy | None]:
        answer: Answer = Failed(Kind.NO_PROXY)
        lease: Lease | None = None
        for turn in range(PROXIES_A_TRY):
            last = turn == PROXIES_A_TRY - 1
            admitted = await self._admission(work, host_of(wanted.url), suspects, last=last)
            if admitted is None:
                return Failed(Kind.NO_PROXY), None
            permit, lease = admitted
            answer = await self._request(work, wanted, permit, lease, suspects)
            if not (isinstance(answer, Failed) and answer.rule.other_proxy):
                break
        return answer, lease.proxy if lease is not None else None

    async def _admission(
        self, work: Work, host: str, suspects: Suspects, *, last: bool
    ) -> tuple[Permit, Lease | None] | None:
        """Wait for the gate and for a proxy; None when no proxy came in time."""
        work.waiting = True
        loop = asyncio.get_running_loop()
        until = None
        prefers = self.definition.proxies == "prefer"
        while True:
            permit = await self._enter(work, host)
            if self.definition.proxies == "never" or (prefers and last):
                return permit, None
            lease = await self._pick(permit, suspects)
            if lease is not None or prefers:
                return permit, lease
            await self._leave(permit, Report(Verdict.UNUSED))
            until = until or loop.time() + self.definition.limits.proxy_wait
            if loop.time() >= until:
                return None
            work.waits_for = "no usable proxy"
            await asyncio.sleep(PROXY_LOOK_S)

    async def _enter(self, work: Work, host: str) -> Permit:
        while True:
            await self._quiet(work)
            try:
                permit = await self.gate.enter(self.definition.name, host, BOOKED_AHEAD_S)
            except Refused as refused:
                work.waits_for = _why(refused) or work.waits_for
                wait = refused.wait - BOOKED_AHEAD_S / 2
                await asyncio.sleep(min(max(0.05, wait), LOOK_AGAIN_S))
            else:
                work.waits_for = ""
                await self._scatter(permit)
                return permit

    async def _quiet(self, work: Work) -> None:
        """Wait for the end of quiet hours."""
        hours = windows(self.definition.quiet)
        while hours and (rest := quiet_for(hours, SYSTEM.wall())) > 0:
            work.waits_for = f"quiet hours for {duration.show(rest)} more"
            await asyncio.sleep(min(rest, LOOK_AGAIN_S))

    async def _scatter(self, permit: Permit) -> None:
        """Wait for a moment by chance, so that requests do not come like a clock's ticks."""
        wait = self.jitter(random.random())  # noqa: S311  (no secret)
        if wait <= 0:
            return
        try:
            await asyncio.sleep(wait)
        except BaseException:
            await self._leave(permit, Report(Verdict.UNUSED))
            raise

    async def _pick(self, permit: Permit, suspects: Suspects) -> Lease | None:
        try:
            return await patiently(lambda: suspects.pick_another(self.definition.name))
        except BaseException:
            await self._leave(permit, Report(Verdict.UNUSED))
            raise

    async def _request(
        self,
        work: Work,
        wanted: Wanted,
        permit: Permit,
        lease: Lease | None,
        suspects: Suspects,
    ) -> Answer:
        if work.closing:
            await self._release(lease)
            await self._leave(permit, Report(Verdict.UNUSED))
            raise asyncio.CancelledError
        work.waiting = False
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            proxy = lease.proxy if lease is not None else None
            answer = await self.transport.get(
                wanted.url, proxy, head=wanted.head, proof=wanted.proof
            )
            answer = self._believed(wanted.url, answer)
        except BaseException:
            await self._release(lease)
            await self._leave(permit, Report(Verdict.NEUTRAL))
            raise
        try:
            answer = await suspects.hear(lease, answer, loop.time() - began)
        except BaseException:
            await self._leave(permit, Report(Verdict.NEUTRAL))
            raise
        await self._leave(permit, report_of(answer))
        return answer

    def _believed(self, url: str, answer: Answer) -> Answer:
        """Return what looks like a block as one, unless the page has what is expected of it."""
        if not isinstance(answer, Page) or not answer.suspicion or self.expects(answer, url):
            return answer
        return Failed(Kind.SOFT_BLOCK, answer.suspicion, status=answer.status)

    async def _release(self, lease: Lease | None) -> None:
        if lease is not None:
            await self.picker.report(lease, Outcome.UNUSED)

    async def _leave(self, permit: Permit, report: Report) -> None:
        permit.report(report)
        await self.gate.leave(permit)


def report_of(answer: Answer) -> Report:
    """Return what an answer says about the site."""
    if isinstance(answer, Failed):
        return Report(answer.verdict, answer.latency, answer.retry_after)
    return Report(Verdict.OK, answer.latency)


def _why(refused: Refused) -> str:
    """Say what a page waits for, where that is worth saying."""
    if isinstance(refused, BreakerOpen):
        return f"the breaker is open for {refused.wait:.0f} s more"
    if isinstance(refused, Paused) or refused.wait > 2 * BOOKED_AHEAD_S:
        return f"the site may be asked again in {refused.wait:.0f} s"
    return ""
