"""Upstreams out of the pool.

What is usable is read every second. A client that names a site has its upstream from the pool's own
picking, which knows how each did at that site, for all processes together; that costs a call to Redis. For
one that names none it is drawn here, and the pool hears only who failed, or works again. Without Redis the
last that was read serves on for both, and what was to be told is told when it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from orchestrator.core.redis import RedisError
from proxies.gateway.choice import Choice, Standing, Want
from proxies.gateway.tries import Pick
from proxies.model import Anonymity, Verdict
from proxies.pool.picker import Outcome
from proxies.pool.pool import PoolState, Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxies.gateway.news import News
    from proxies.gateway.reading import Reading
    from proxies.model import Proxy
    from proxies.pool.picker import Picker

log = logging.getLogger(__name__)

#: How old what was read of the pool may become, in seconds.
READ_S = 1.0
#: Of those that the pool offers, so many at most are given back because somebody tries them just now.
GIVEN_BACK = 3


class PoolSupply:
    """For one event loop. `keep_looking` must run beside it."""

    def __init__(
        self,
        reading: Reading,
        fresh_for: float,
        picker: Picker,
        news: News,
        leaves_from: Callable[[Record], str],
        time: Callable[[], float],
    ) -> None:
        self._reading = reading
        self._fresh_for = fresh_for
        self._picker = picker
        self._news = news
        self._time = time
        self._away = "the pool has not been read yet"
        self.leaves_from = leaves_from
        self.choice = Choice(leaves_from)
        self.state: PoolState | None = None
        self.outcomes: Counter[Outcome] = Counter()

    async def look(self) -> None:
        """Read the pool, and tell it who failed."""
        try:
            self.state = await self._reading.read()
        except RedisError as error:
            if not self._away:
                log.warning(
                    "Redis is away, the last that was read of the pool serves on: %s", error
                )
            self._away = f"Redis does not answer: {error}"
            return
        usable = self.state.usable(self._fresh_for)
        if self._away:
            log.info("the pool is read: %d usable", len(usable))
        self._away = ""
        self._news.hurry()
        self.choice.update(usable)

    async def pick(self, want: Want, tried: list[Standing]) -> Pick | None:
        """As `Supply`."""
        pick: Pick | None
        try:
            pick = await self._leased(want, tried) if want.route.site else self._drawn(want, tried)
        except RedisError:
            pick = self._drawn(want, tried)
        if pick is not None:
            pick.standing.in_flight += 1
        return pick

    def _drawn(self, want: Want, tried: list[Standing]) -> Pick | None:
        standing = self.choice.draw(want, tried, self._time())
        return Pick(standing) if standing is not None else None

    async def _leased(self, want: Want, tried: list[Standing]) -> Pick | None:
        """What the pool picks for the site; rather none that somebody is just now finding out about.

        Raises:
            RedisError: the pool could never be read.
        """
        avoid = {*self.choice.unsuited(want), *(one.record.proxy.key for one in tried)}
        pick: Pick | None = None
        for _ in range(GIVEN_BACK):
            lease = await self._picker.pick(want.route.site, want.route.session, avoid=avoid)
            if lease is None:
                break
            if pick is not None and pick.lease is not None:
                self._news.ended(pick.lease, Outcome.UNUSED, None)
            pick = Pick(self.choice.of(lease.proxy.url) or _stranger(lease.proxy), lease)
            if self.choice.is_free(pick.standing, self._time()):
                break
            avoid.add(lease.proxy.key)
        return pick

    def has_more(self, want: Want, tried: list[Standing]) -> bool:
        """As `Supply`."""
        return self.choice.has_other(want, tried)

    def report(self, pick: Pick, outcome: Outcome, seconds: float | None = None) -> None:
        """As `Supply`."""
        record = pick.standing.record
        pick.standing.in_flight -= 1
        self.outcomes[outcome] += 1
        if pick.lease is not None:
            self._news.ended(pick.lease, outcome, seconds)
        # Of those that were drawn here the pool hears who failed, and who works again.
        elif outcome is Outcome.FAILED or (outcome is Outcome.OK and record.failures):
            self._news.drawn(record.proxy.key, outcome, seconds)
        match outcome:
            case Outcome.FAILED:
                pick.standing.failed(self._time())
            case Outcome.OK | Outcome.BANNED:
                pick.standing.took(seconds or 0.0)

    def shortage(self, want: Want) -> str:
        """As `Supply`."""
        if self.state is None:
            return f"no usable proxy: {self._away}"
        there = len(self.choice.standings)
        if not there:
            known = len(self.state.records)
            return f"no usable proxy among {known}; `orch proxies refresh` looks for some"
        if want.route.country:
            return f"no usable proxy leaves from {want.route.country}; {there} leave from elsewhere"
        if want.route.site:
            return f"none of {there} usable proxies may be used for {want.route.site} just now"
        return f"none of {there} usable proxies serves for this"

    def counts(self) -> dict[str, Any]:
        """How many there are, and how they do here."""
        now = self._time()
        standings = self.choice.standings
        return {
            "count": len(standings),
            "live": len(self.state.records) if self.state else 0,
            "resting": sum(one.rests_until > now for one in standings),
            "on_trial": sum(not one.proven for one in standings),
            "in_flight": sum(one.in_flight for one in standings),
            "outcomes": {str(outcome): self.outcomes[outcome] for outcome in Outcome},
            "generation": self.state.generation if self.state else 0,
            "redis": self._away or "ok",
        }

    async def keep_looking(self) -> None:
        """Read the pool once a second, for ever."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the pool cannot be understood, the last that was read serves on")
            await asyncio.sleep(READ_S)


def _stranger(proxy: Proxy) -> Standing:
    """One that the pool has, and that was not yet there when it was read last."""
    return Standing(Record(Verdict(proxy, 0.0, anonymity=Anonymity.ELITE)))
