"""How many requests are under way at once, and who is next: leases and a line, in whole µs, no clock."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field

from orchestrator.gate.permit import LOOK_AGAIN_US, WAITER_US

#: So many are called at once at most.
_A_FEW = 16
_NEVER = 1 << 62


@dataclass(slots=True)
class Leases:
    """Who holds a slot, and until when; one that was not renewed by then is free."""

    ends: dict[str, int] = field(default_factory=dict)
    #: None ends earlier. Not always true to the µs: a look at all of them then makes it so.
    soonest: int = _NEVER

    def live(self, now: int) -> int:
        """How many are held."""
        self._sweep(now)
        return len(self.ends)

    def holds(self, holder: str, now: int) -> int:
        """When the lease of `holder` ends; 0: it has none."""
        ends = self.ends.get(holder, 0)
        return ends if ends > now else 0

    def take(self, holder: str, ends: int, now: int) -> None:
        """Give `holder` a slot until `ends`."""
        self._sweep(now)
        self.ends[holder] = ends
        self.soonest = min(self.soonest, ends)

    def give_back(self, holder: str) -> bool:
        """Free the slot; tell whether there was one."""
        return self.ends.pop(holder, None) is not None

    def extend(self, holder: str, ends: int, now: int) -> int:
        """Renew, and never shorten, a lease that has not run out; return its end, 0 if it has."""
        known = self.holds(holder, now)
        if known:
            known = self.ends[holder] = max(known, ends)
        return known

    def first_end(self, now: int, within: int) -> int:
        """In how long the first of them ends, if `within` that time; else `within`."""
        if self.soonest < now + within:
            self.soonest = min(self.ends.values(), default=_NEVER)
        return min(within, self.soonest - now)

    def over(self) -> int:
        """When the last of them ends."""
        return max(self.ends.values(), default=0)

    def _sweep(self, now: int) -> None:
        if self.soonest <= now:
            self.ends = {holder: ends for holder, ends in self.ends.items() if ends > now}
            self.soonest = min(self.ends.values(), default=_NEVER)


@dataclass(slots=True)
class Line:
    """Who waits, in order of arrival. Whoever has not looked for `WAITER_US` is dead and out of it."""

    order: list[tuple[int, str]] = field(default_factory=list)
    #: holder -> (since, thought to live until)
    known: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: As in `Leases`, of when the first is thought dead.
    soonest: int = _NEVER

    def ahead(self, holder: str, now: int) -> int:
        """How many stand before `holder`: all of them if it does not stand there."""
        self._sweep(now)
        place = self.known.get(holder)
        return bisect_left(self.order, (place[0], holder)) if place else len(self.order)

    def stand(self, holder: str, since: int, now: int) -> int:
        """Look once more, or join (`since` not 0: at the place it once had); return since when."""
        place = self.known.get(holder)
        if place:
            since = place[0]
        else:
            since = min(since, now) or now
            insort(self.order, (since, holder))
        self.known[holder] = since, now + WAITER_US
        self.soonest = min(self.soonest, now + WAITER_US)
        return since

    def leave(self, holder: str) -> None:
        """Wait no more."""
        place = self.known.pop(holder, None)
        if place:
            del self.order[bisect_left(self.order, (place[0], holder))]

    def first(self, n: int, now: int) -> list[str]:
        """Return the first `n`."""
        self._sweep(now)
        return [holder for _, holder in self.order[:n]]

    def _sweep(self, now: int) -> None:
        if self.soonest <= now:
            self.known = {holder: place for holder, place in self.known.items() if place[1] > now}
            self.order = [place for place in self.order if place[1] in self.known]
            self.soonest = min((until for _, until in self.known.values()), default=_NEVER)


@dataclass(slots=True)
class Slots:
    """Leases, and the line of those for whom there was none. A limit of 0 is none."""

    leases: Leases = field(default_factory=Leases)
    line: Line = field(default_factory=Line)

    def wait(self, holder: str, now: int, limit: int) -> int:
        """When to look again for a slot; 0: there is one, and nobody with an earlier claim to it."""
        if not limit:
            return 0
        free = limit - self.leases.live(now)
        if free > (self.line.ahead(holder, now) if self.line.order else 0):
            return 0
        if holder in self.leases.ends:  # it asks once more for what it has
            return 0
        return self.leases.first_end(now, LOOK_AGAIN_US)

    def next_ones(self, now: int, limit: int) -> list[str]:
        """Return those at the head of the line for whom there are slots."""
        if not limit or not self.line.order:
            return []
        free = min(_A_FEW, limit - self.leases.live(now))
        return self.line.first(free, now) if free > 0 else []
