"""What one worker knows of the pool at one site, and whom it offers: no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import islice, takewhile
from operator import attrgetter
from typing import TYPE_CHECKING

from proxies.pool.ledger import CAP, EVICTED_AT, HEAT_HALF_LIFE_S, Failing, Pair
from proxies.pool.odds import Odds, Prior, Tally, kept

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Iterator

    from proxies.model import Proxy, Verdict
    from proxies.pool.ledger import Look

#: So many are offered to the script at once: others may have taken the first ones meanwhile.
OFFERS = 8
#: It is drawn among so many, those that may be the best.
SHORTLIST = 32
#: How old odds may become, and the means of the pool, in seconds: they change slowly by themselves.
ODDS_S, PRIOR_S = 60.0, 10.0
#: So many odds that are too old are made anew at one look: of ten thousand all within 40 looks.
RENEWED = 256
#: When few are free at all, they are looked for no more often, in seconds.
SHORTEN_S = 0.1
#: No rest is longer, in seconds; as in `lua/odds.lua`.
LONGEST_S = 86_400.0

_UNUSED, _UNKNOWN, _FINE = Tally(), Pair(), Failing()


@dataclass(slots=True)
class Known:
    """The pool as it was at the last look, for all sites."""

    fresh_for: float
    lease_s: float  #: picks that nobody reports on end after so long
    generation: int = -1
    at: float = 0.0  #: of the last look, on the server's clock
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    failing: dict[str, Failing] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    prior: Prior = field(default_factory=Prior)
    looks: int = 0
    _prior_at: float = float("-inf")
    _heard: dict[str, int] = field(default_factory=dict)  # which look showed a tally; newest last

    def learn(self, look: Look) -> None:
        """Take in what a look has shown."""
        self.at, self.generation = look.at, look.generation
        self.looks += 1
        if look.pool is not None:  # then the look shows all failures and tallies
            self.failing, self.tallies, self._heard = {}, {}, {}
            self.verdicts = {key: one for key, one in look.pool.items() if one.usable}
        self.tallies.update(look.tallies)
        for key in look.tallies:
            self.failing.pop(key, None)
            self._heard.pop(key, None)
            self._heard[key] = self.looks
        self.failing.update(look.failing)
        if not 0 <= look.at - self._prior_at < PRIOR_S:
            self._prior_at = look.at
            self.prior = Prior.of(
                (tally, self.verdicts[key].latency_ms / 1000)
                for key, tally in self.tallies.items()
                if key in self.verdicts
            )

    def heard_since(self, looks: int) -> list[str]:
        """The proxies whose tallies have changed after so many looks."""
        return list(takewhile(lambda key: self._heard[key] > looks, reversed(self._heard)))

    def proxy(self, key: str) -> Proxy | None:
        """The proxy of this key."""
        verdict = self.verdicts.get(key)
        return verdict.proxy if verdict else None


@dataclass(slots=True, eq=False)
class _Line:
    """One proxy on the board, with what its odds were made of."""

    key: str
    pair: Pair
    worked_at: float
    odds: Odds
    hope: float
    at: float
    in_flight: float = 0.0
    heat: float = 0.0
    closed_until: float = 0.0  #: or until the next look


class Board:
    """Every proxy at one site."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._pairs: dict[str, Pair] = {}
        self._limit = 0.0
        self._lines: dict[str, _Line] = {}
        self._order: list[_Line] = []  # by hope
        self._short: list[_Line] = []
        self._shortened_at = 0.0
        self._generation = -1
        self._looks = 0  # that `Known` had taken at our last one
        self._ours: set[str] = set()  # what this worker did since the last look
        self.at = 0.0  #: of the last look at this site, on the server's clock

    def learn(self, look: Look) -> None:
        """Take in what a look has shown, after `Known` did."""
        self.at, self._limit = look.at, look.limit
        self._pairs.update(look.pairs)
        known, lines = self._known, self._lines
        if self._generation != known.generation:
            self._generation = known.generation
            self._pairs = {key: p for key, p in self._pairs.items() if key in known.verdicts}
            lines.clear()
            changed = set(known.verdicts)
        else:
            changed = {*look.pairs, *known.heard_since(self._looks), *self._too_old()}
        self._looks = known.looks
        for key in changed & known.verdicts.keys():
            lines.pop(key, None)
            lines[key] = self._line(key)
        for key in self._ours & lines.keys():
            line = lines[key]
            line.heat, line.in_flight, line.closed_until = line.pair.heat, line.pair.in_flight, 0.0
        self._ours.clear()
        self._order = sorted(lines.values(), key=attrgetter("hope"))
        self._shorten(look.at)

    def offers(self, now: float, random: random.Random, avoid: Collection[str] = ()) -> list[str]:
        """Return a few that may be taken at the moment `now`, the one to take first."""
        free = [each for each in self._short if each.key not in avoid and self._free(each, now)]
        if len(free) < OFFERS:
            if avoid:
                free = self._best(now, avoid)
            elif len(self._short) == SHORTLIST or not 0 <= now - self._shortened_at < SHORTEN_S:
                free = self._shorten(now)
        drawn = ((each.odds.draw(random), each.key) for each in free)
        return [key for _, key in nsmallest(OFFERS, drawn)]

    def usable(self, now: float, most: int) -> int:
        """How many are not resting for long at the moment `now`; it is counted up to `most`."""
        failing, order = self._known.failing, self._order
        there = (
            each
            for each in order
            if failing.get(each.key, _FINE).row < EVICTED_AT
            and not _rests(each.pair.cool_until, now)
            and self._fresh(each, now)
        )
        return sum(1 for _ in islice(there, most))

    def took(self, key: str) -> None:
        """It was taken by this worker."""
        if line := self._lines.get(key):
            line.heat += 1
            line.in_flight += 1
            self._ours.add(key)

    def gave_back(self, key: str) -> None:
        """It is no longer in flight for this worker."""
        if line := self._lines.get(key):
            line.in_flight -= 1
            self._ours.add(key)

    def close(self, key: str, until: float) -> None:
        """It is not offered again before the moment `until`, or before the next look."""
        if line := self._lines.get(key):
            line.closed_until = until
            self._ours.add(key)

    def _too_old(self) -> Iterator[str]:
        """The first lines are the oldest."""
        old = self.at - ODDS_S
        first = takewhile(lambda line: not old <= line.at <= self.at, self._lines.values())
        return (line.key for line in islice(first, RENEWED))

    def _line(self, key: str) -> _Line:
        known = self._known
        tally, pair = known.tallies.get(key, _UNUSED), self._pairs.get(key, _UNKNOWN)
        check_s = known.verdicts[key].latency_ms / 1000
        odds = Odds.of(tally, pair.tally, known.prior, check_s, self.at)
        return _Line(
            key,
            pair,
            tally.worked_at,
            odds,
            odds.hope,
            self.at,
            heat=pair.heat,
            in_flight=pair.in_flight,
        )

    def _shorten(self, now: float) -> list[_Line]:
        self._shortened_at = now
        self._short = self._best(now, ())
        return self._short

    def _best(self, now: float, avoid: Collection[str]) -> list[_Line]:
        """The first of all that are free."""
        free = (each for each in self._order if each.key not in avoid and self._free(each, now))
        return list(islice(free, SHORTLIST))

    def _free(self, line: _Line, now: float) -> bool:
        failing = self._known.failing.get(line.key, _FINE)
        untils = (line.closed_until, line.pair.cool_until, failing.rest_until)
        if any(_rests(until, now) for until in untils) or not self._fresh(line, now):
            return False
        return not self._busy(line, now)

    def _busy(self, line: _Line, now: float) -> bool:
        """Whether more requests through it would be too many, at a site that bans."""
        pair = line.pair
        most = pair.most if 0 < pair.most < self._limit or not self._limit else self._limit
        if not most:
            return False
        heat = line.heat * kept(now - pair.at, HEAT_HALF_LIFE_S)
        # Of a pick that has ended by itself the pair shows nothing until somebody takes a proxy.
        in_flight = line.in_flight if now - pair.at < self._known.lease_s else 0
        return heat >= most or in_flight >= CAP

    def _fresh(self, line: _Line, now: float) -> bool:
        """Whether it is in the pool and was seen working lately."""
        verdict = self._known.verdicts.get(line.key)
        if verdict is None:  # it has left since the last look at this site
            return False
        return now - max(verdict.checked_at, line.worked_at) <= self._known.fresh_for


def _rests(until: float, now: float) -> bool:
    """Whether a rest is not over; a longer one was meant before the clock was set back."""
    return now < until < now + LONGEST_S
