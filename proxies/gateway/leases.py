"""Picks that a program took by the API and has not reported on yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxies.pool.picker import LEASE_S, Outcome

if TYPE_CHECKING:
    import asyncio

    from proxies.gateway.tries import Pick, Supply


@dataclass(slots=True)
class Leases:
    """For one event loop. One that nobody reports on is given back when the pool forgets it."""

    loop: asyncio.AbstractEventLoop
    supply: Supply
    _taken: dict[str, tuple[Pick, asyncio.TimerHandle]] = field(default_factory=dict)

    def keep(self, pick: Pick) -> str:
        """Keep one; return the word by which it is reported on, which is empty when none is needed."""
        if pick.lease is None:
            self.supply.report(pick, Outcome.UNUSED)
            return ""
        token = pick.lease.token
        timer = self.loop.call_later(LEASE_S, self.end, token, Outcome.UNUSED)
        self._taken[token] = (pick, timer)
        return token

    def end(self, token: str, outcome: Outcome, seconds: float | None = None) -> bool:
        """Tell what became of one; False when there is none, or no more."""
        pick, timer = self._taken.pop(token, (None, None))
        if pick is None or timer is None:
            return False
        timer.cancel()
        self.supply.report(pick, outcome, seconds)
        return True
