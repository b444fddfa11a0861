"""Gates in the memory of one process, for its threads and event loops."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import threading
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.gate.memory import Memory
from orchestrator.gate.permit import Grant
from orchestrator.gate.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orchestrator.core.clock import Clock
    from orchestrator.gate.limits import Limits
    from orchestrator.gate.permit import Ask, Refused, Report, Standing


class LocalStore:
    """`GateStore` of one process: a lock and what is known of each site.

    Time is `clock.monotonic`; only fences come from the wall clock, so that they also grow from one run
    of a process to the next. `chance` draws the jitter of opening times (0..1). `who` is shown as the
    holder of slots: a word. A process that is forked off begins anew.
    """

    def __init__(
        self,
        clock: Clock = SYSTEM,
        *,
        who: str = "local",
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._who = who
        self._chance = chance
        self._begin()

    def _begin(self) -> None:
        self._instance = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._fence = 0
        self._sites: Memory[Site] = Memory()
        self._calls: dict[str, Callable[[], None]] = {}
        self._pid = os.getpid()

    def holder(self, host: str) -> str:
        """See `GateStore`; people read in it who asks for which host."""
        if self._pid != os.getpid():
            self._begin()
        return f"{self._instance}.{next(self._numbers)} {self._who} {host}"

    def enter(self, ask: Ask, limits: Limits) -> Grant | Refused:
        """See `GateStore`."""
        with self._of_this_process():
            now = self._now()
            fence = max(self._fence + 1, round(self._clock.wall() * 1e6))
            site = self._sites.find(ask.site, now) or Site()
            answer = site.enter(ask, limits, now, fence)
            if isinstance(answer, Grant):
                self._fence = fence
                self._sites.use(ask.site, site, now)
            return answer

    def leave(self, grant: Grant, report: Report, limits: Limits) -> Standing:
        """See `GateStore`."""
        with self._of_this_process():
            now = self._now()
            site = self._sites.find(grant.ask.site, now) or Site()
            called = site.leave(grant, report, limits, now, self._chance())
            self._sites.use(grant.ask.site, site, now)
            standing = site.standing(now)
        self._call(called)
        return standing

    def post(self, grant: Grant, report: Report, limits: Limits) -> None:
        """See `GateStore`."""
        self.leave(grant, report, limits)

    def quit(self, ask: Ask, limits: Limits) -> None:
        """See `GateStore`."""
        with self._of_this_process():
            now = self._now()
            site = self._sites.find(ask.site, now)
            called = site.quit(ask, limits, now) if site else ()
        self._call(called)

    def renew(self, grants: Sequence[Grant], limits: Callable[[str], Limits]) -> list[Grant]:
        """See `GateStore`."""
        terms = {name: limits(name) for name in {grant.ask.site for grant in grants}}
        lost = []
        with self._of_this_process():
            now = self._now()
            for grant in grants:
                name = grant.ask.site
                site = self._sites.find(name, now)
                if not grant.holds(terms[name]):
                    continue
                if site and site.extend(grant, terms[name], now):
                    self._sites.use(name, site, now)
                else:
                    lost.append(grant)
        return lost

    def look(self, site: str) -> Standing:
        """See `GateStore`."""
        with self._of_this_process():
            now = self._now()
            return (self._sites.find(site, now) or Site()).standing(now)

    def tally(self, site: str, oks: int, limits: Limits) -> Standing:
        """See `GateStore`."""
        with self._of_this_process():
            now = self._now()
            known = self._sites.find(site, now) or Site()
            if oks:
                known.breaker.tally(oks, now, limits)
                self._sites.use(site, known, now)
            return known.standing(now)

    def pause(self, site: str, seconds: float) -> None:
        """See `GateStore`."""
        with self._of_this_process():
            now = self._now()
            known = self._sites.find(site, now) or Site()
            known.pace.stay_away(now + round(seconds * 1e6))
            self._sites.use(site, known, now)

    def beat(self, sites: Collection[str]) -> None:
        """See `GateStore`; this process knows of itself."""

    def on_call(self, ask: Ask, call: Callable[[], None]) -> Callable[[], None]:
        """See `GateStore`; `call` is called by the thread that leaves, so it must not block."""
        self._calls[ask.holder] = call

        def end() -> None:
            self._calls.pop(ask.holder, None)

        return end

    def close(self) -> None:
        """See `GateStore`; nothing is open."""

    def _of_this_process(self) -> threading.Lock:
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def _now(self) -> int:
        return round(self._clock.monotonic() * 1e6)

    def _call(self, holders: Sequence[str]) -> None:
        """Call those who wait, outside of the lock: they may enter at once."""
        for holder in holders:
            call = self._calls.get(holder)
            if call:
                call()
