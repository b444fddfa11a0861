"""Asking the site for a page: the gate, a proxy where one is wanted, and the request."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import BreakerOpen, Refused
from orchestrator.core.redis import RedisError
from orchestrator.gate.model import Outcome as Verdict
from sites.fetch import Answer, Failed, Kind
from sites.patience import patiently
from sites.suspects import Suspects
from sites.url import host_of

if TYPE_CHECKING:
    from orchestrator.gate.gate import RedisGate
    from orchestrator.gate.model import Permit
    from proxies.model import Proxy
    from proxies.rotation import Rotation
    from sites.definition import Definition
    from sites.transport import Transport
    from sites.work import Work

#: A turn at the gate is booked at most so far ahead, in seconds: what is booked is lost on a stop.
BOOKED_AHEAD_S = 2.0
#: A page that is refused at the gate looks again after so long at most, in seconds.
LOOK_AGAIN_S = 1.0
#: How often a page that waits for a proxy looks again, in seconds.
PROXY_LOOK_S = 0.5
#: So many proxies are tried for a page before it counts as an attempt.
PROXIES_A_TRY = 3


@dataclass(frozen=True, slots=True)
class Asker:
    """What the pages of a shard are asked for with."""

    definition: Definition
    gate: RedisGate
    transport: Transport
    rotation: Rotation

    async def ask(self, work: Work) -> tuple[Answer, Proxy | None]:
        """Return what the site answered, and through which proxy; a dead proxy is changed.

        A site that requires proxies is never asked directly; one that prefers them is, when there
        is none, or the last one that is tried. A work that is closing is cancelled before a request.
        """
        suspects = Suspects(self.rotation)
        try:
            found = await self._ask(work, suspects)
        except BaseException:
            suspects.release()
            raise
        suspects.rest()
        return found

    async def _ask(self, work: Work, suspects: Suspects) -> tuple[Answer, Proxy | None]:
        answer: Answer = Failed(Kind.NO_PROXY)
        proxy: Proxy | None = None
        for turn in range(PROXIES_A_TRY):
            admitted = await self._admission(work, last=turn == PROXIES_A_TRY - 1)
            if admitted is None:
                return Failed(Kind.NO_PROXY), None
            permit, proxy = admitted
            answer = await self._request(work, permit, proxy, suspects)
            if not (isinstance(answer, Failed) and answer.kind is Kind.PROXY):
                break
        return answer, proxy

    async def _admission(self, work: Work, *, last: bool) -> tuple[Permit, Proxy | None] | None:
        """Wait for the gate and for a proxy; None when no proxy came in time."""
        work.waiting = True
        loop = asyncio.get_running_loop()
        until = None
        prefers = self.definition.proxies == "prefer"
        while True:
            permit = await self._enter(work)
            if self.definition.proxies == "never" or (prefers and last):
                return permit, None
            proxy = await self._pick(permit)
            if proxy is not None or prefers:
                return permit, proxy
            await self._leave(permit, Verdict.NEUTRAL)
            until = until or loop.time() + self.definition.limits.proxy_wait
            if loop.time() >= until:
                return None
            work.waits_for = "no usable proxy"
            await asyncio.sleep(PROXY_LOOK_S)

    async def _enter(self, work: Work) -> Permit:
        host = host_of(work.url)
        while True:
            try:
                permit = await patiently(
                    lambda: self.gate.enter(host, Deadline.after(BOOKED_AHEAD_S))
                )
            except Refused as refused:
                if isinstance(refused, BreakerOpen):
                    work.waits_for = f"the breaker is open for {refused.wait:.0f} s more"
                elif refused.wait > 2 * BOOKED_AHEAD_S:
                    work.waits_for = f"the site may be asked again in {refused.wait:.0f} s"
                wait = refused.wait - BOOKED_AHEAD_S / 2
                await asyncio.sleep(min(max(0.05, wait), LOOK_AGAIN_S))
            else:
                work.waits_for = ""
                return permit

    async def _pick(self, permit: Permit) -> Proxy | None:
        try:
            return await patiently(lambda: self.rotation.pick(self.definition.name))
        except BaseException:
            await self._leave_at_once(permit)
            raise

    async def _request(
        self, work: Work, permit: Permit, proxy: Proxy | None, suspects: Suspects
    ) -> Answer:
        if work.closing:
            await self._unused(permit, proxy)
            raise asyncio.CancelledError
        work.waiting = False
        try:
            answer = await self.transport.get(work.url, proxy)
        except BaseException:
            await self._unused(permit, proxy)
            raise
        try:
            answer = await suspects.hear(proxy, answer)
        except BaseException:
            await self._leave_at_once(permit)
            raise
        failed = answer if isinstance(answer, Failed) else None
        verdict = failed.rule.outcome if failed else Verdict.OK
        await self._leave(permit, verdict, failed.retry_after if failed else None)
        return answer

    async def _unused(self, permit: Permit, proxy: Proxy | None) -> None:
        if proxy is not None:
            self.rotation.release(proxy)
        await self._leave_at_once(permit)

    async def _leave(
        self, permit: Permit, verdict: Verdict, retry_after: float | None = None
    ) -> None:
        await patiently(lambda: self.gate.leave(permit, verdict, retry_after))

    async def _leave_at_once(self, permit: Permit) -> None:
        """Give the slot back if Redis is there; else it frees itself when its lease runs out."""
        with contextlib.suppress(RedisError):
            await self.gate.leave(permit, Verdict.NEUTRAL)
