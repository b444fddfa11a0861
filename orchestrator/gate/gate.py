"""The gate before every request to a site, shared by all workers on all machines.

Breaker, slot and rate are decided by one script on the server's clock; a second one gives the slot
back and reports what the request said about the site.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from typing import TYPE_CHECKING, Any

from orchestrator.core import errors
from orchestrator.core.keys import GATE_TTL_S
from orchestrator.core.redis import GONE
from orchestrator.core.script import Call, load
from orchestrator.gate.model import Outcome, Permit, Reason, Refused

if TYPE_CHECKING:
    from orchestrator.core.clock import Deadline
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import AsyncRedis
    from orchestrator.gate.model import Limits

_PACKAGE = "orchestrator.gate"
_ERRORS = {
    Reason.RATE: errors.RateLimited,
    Reason.BREAKER: errors.BreakerOpen,
    Reason.SLOT: errors.NoSlot,
}


class RedisGate:
    """The gate of one site, for an event loop."""

    def __init__(self, client: AsyncRedis, keys: Keys, site: str, limits: Limits) -> None:
        self._client = client
        self._site = site
        self._keys = [keys.gate(site, part) for part in ("rate", "breaker", "slots")]
        self._window = keys.gate(site, "window")
        self._out: set[str] = set()
        self.limits = limits

    async def try_enter(self, host: str, max_wait: float = 0.0) -> Permit | Refused:
        """Answer at once. A permit whose `wait_s` (at most `max_wait`) is not 0 is for that time."""
        token = secrets.token_hex(8)
        try:
            answer = await self._enter(token, host, max_wait).run_async(self._client)
        except asyncio.CancelledError:
            await self._give_back(Permit(self._site, host, token))
            raise
        if isinstance(answer, Permit):
            self._out.add(_holder(token, host))
        return answer

    async def enter(self, host: str, deadline: Deadline) -> Permit:
        """Wait until a request may be made now.

        Raises:
            Refused: RateLimited, BreakerOpen or NoSlot, as soon as the deadline would pass first.
        """
        while True:
            answer = await self.try_enter(host, deadline.remaining())
            if isinstance(answer, Permit):
                await self._sleep(answer)
                return answer
            if answer.wait_s > deadline.remaining():
                raise _ERRORS[answer.reason](f"{self._site}: {answer.reason}", answer.wait_s)
            await asyncio.sleep(answer.wait_s)

    async def leave(
        self, permit: Permit, outcome: Outcome, retry_after: float | None = None
    ) -> None:
        """Give the slot back and report; `retry_after` (s) keeps everybody out for that long."""
        self._out.discard(_holder(permit.token, permit.host))
        await self._leave(permit, outcome, retry_after or 0.0).run_async(self._client)

    async def renew(self) -> None:
        """Keep the slots of all permits that are out; called every third of `limits.lease_s`.

        The lease is short, so that the slots of a killed process are soon free again, and a long
        request keeps its own all the same.
        """
        if self._out:
            args: list[str | int] = [_us(self.limits.lease_s), GATE_TTL_S * 1000]
            args += sorted(self._out)
            await Call(load(_PACKAGE, "renew"), self._keys[2:], args, int).run_async(self._client)

    async def _sleep(self, permit: Permit) -> None:
        try:
            await asyncio.sleep(permit.wait_s)
        except asyncio.CancelledError:
            await self._give_back(permit)
            raise

    async def _give_back(self, permit: Permit) -> None:
        with contextlib.suppress(*GONE):  # then the slot frees itself when its lease runs out
            await self.leave(permit, Outcome.NEUTRAL)

    def _enter(self, token: str, host: str, max_wait: float) -> Call[Permit | Refused]:
        limits = self.limits
        args: list[str | int] = [
            *(_holder(token, host), _us(max_wait), limits.interval_us, limits.burst),
            *(limits.slots, _us(limits.lease_s), GATE_TTL_S * 1000),
        ]

        def answer(reply: list[Any]) -> Permit | Refused:
            wait_s = int(reply[1]) / 1_000_000
            if not reply[0]:
                return Refused(Reason(reply[2]), wait_s)
            epoch, trial = int(reply[2]), bool(reply[3])
            return Permit(self._site, host, token, wait_s, trial, epoch)

        return Call(load(_PACKAGE, "enter"), self._keys, args, answer)

    def _leave(self, permit: Permit, outcome: Outcome, retry_after: float) -> Call[str]:
        limits = self.limits
        args: list[str | int | float] = [
            *(_holder(permit.token, permit.host), permit.epoch, outcome),
            *(_us(max(0.0, retry_after)), limits.tolerance_us, limits.failures),
            *(_us(limits.window_s), limits.ratio, _us(limits.open_s), _us(limits.open_cap_s)),
            GATE_TTL_S * 1000,
        ]
        return Call(load(_PACKAGE, "leave"), [*self._keys, self._window], args, str)


def _holder(token: str, host: str) -> str:
    return f"{token} {host}"


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
