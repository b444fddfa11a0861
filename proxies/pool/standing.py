"""How each proxy of the pool stands at a moment, in all or at one site: what people see of picking."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from proxies.pool.board import LONGEST_S
from proxies.pool.ledger import CAP, EVICTED_AT, HEAT_HALF_LIFE_S, Failing, Pair
from proxies.pool.odds import Odds, Prior, Tally, kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxies.pool.ledger import Look
    from proxies.pool.pool import PoolState, Record

_UNUSED, _UNKNOWN, _FINE = Tally(), Pair(), Failing()
#: No answer comes sooner, in seconds: a score stays a number that people can read.
_SOONEST_S = 0.001


class Standing(NamedTuple):
    """One proxy; `pair` is how it did at the site, if one was asked for."""

    record: Record
    odds: Odds
    tally: Tally = _UNUSED
    pair: Pair = _UNKNOWN
    usable: bool = True
    picked: bool = True  #: usable, or its check is old but it has worked since
    rest_s: float = 0.0  #: after failures it is picked for nobody
    cool_s: float = 0.0  #: after a ban, or in doubt, it is not picked for the site
    in_flight: int = 0  #: at the site
    lately: float = 0.0  #: requests at the site, which count half after a while
    most: float = 0.0  #: so many of them are wise; 0: nothing is known against more

    @property
    def score(self) -> float:
        """Answers a minute that may be expected of it, one request after another; 0: it is not picked.

        That is 60 s over the time until an answer, failures on the way included. A proxy that nobody
        has used yet is expected to do as the others do.
        """
        if not self.picked:
            return 0.0
        return round(60.0 / max(_SOONEST_S, self.odds.expected_s), 1)

    @property
    def state(self) -> str:
        """One word for it."""
        if self.usable:
            busy = self.most > 0 and (self.lately >= self.most or self.in_flight >= CAP)
            waits = (("resting", self.rest_s > 0), ("cooling", self.cool_s > 0), ("busy", busy))
            return next((word for word, so in waits if so), "usable")
        if not self.record.verdict.usable:
            return "transparent"
        return "evicted" if self.record.failures >= EVICTED_AT else "stale"

    @property
    def preference(self) -> tuple[int, float, int]:
        """Sorts by what picking prefers: who can be picked now by score, then who waits, then the rest."""
        waits = 2 if not self.picked else int(self.state not in {"usable", "stale"})
        return waits, -self.score, self.record.verdict.latency_ms


def standings(
    state: PoolState, look: Look, fresh_for: float, in_flight: Mapping[str, int] | None = None
) -> list[Standing]:
    """Put the pool, one look at it and the requests in flight at a site together; the best one first."""
    members = {record.proxy.key: record for record in state.records}
    prior = Prior.of(
        (tally, members[key].verdict.latency_ms / 1000)
        for key, tally in look.tallies.items()
        if _counts(members, key)
    )
    found = []
    for key, record in members.items():
        tally, pair = look.tallies.get(key, _UNUSED), look.pairs.get(key, _UNKNOWN)
        check_s = record.verdict.latency_ms / 1000
        odds = Odds.of(tally, pair.tally, prior, check_s, look.at)
        usable = record.usable(fresh_for)
        worked = tally.worked_at > 0 and look.at - tally.worked_at <= fresh_for
        picked = usable or (worked and record.verdict.usable and record.failures < EVICTED_AT)
        one = Standing(record, odds, tally, pair, usable, picked)
        found.append(_now(one, look, (in_flight or {}).get(key, 0)))
    return sorted(found, key=attrgetter("preference"))


def success_of(tally: Tally) -> float | None:
    """Which part of its requests was answered, those of late above all; None without any."""
    return round(tally.ok / tally.all, 3) if tally.all else None


def left(until: float, now: float) -> float:
    """How long a rest lasts from now on, in seconds; 0 for one that is over."""
    return round(until - now, 1) if now < until < now + LONGEST_S else 0.0


def _now(one: Standing, look: Look, in_flight: int) -> Standing:
    pair, failing = one.pair, look.failing.get(one.record.proxy.key, _FINE)
    return one._replace(
        rest_s=left(failing.rest_until, look.at),
        cool_s=left(pair.cool_until, look.at),
        in_flight=in_flight,
        lately=round(pair.heat * kept(look.at - pair.at, HEAT_HALF_LIFE_S), 1),
        most=min((most for most in (pair.most, look.limit) if most > 0), default=0.0),
    )


def _counts(members: Mapping[str, Record], key: str) -> bool:
    return key in members and members[key].verdict.usable
