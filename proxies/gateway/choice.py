"""Which upstream a request goes through, as far as this process alone can know.

The pool says which proxies are usable; here is kept how they did in the last minutes:

- One that has not yet answered here, or failed last, is *on trial*: one request at a time tries it, and
  waits for it not much longer than it took in its check. So one that hangs holds up one request.
- One that failed rests, for longer with each failure in a row.
- Of two that are drawn by lot the one with less to do is taken, unless it would take several times as long:
  load spreads over all that are about as quick, and a slow one is hardly ever taken.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.core.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from proxies.gateway.route import Route
    from proxies.pool.pool import Record

#: How long one rests after its first, second, … failure in a row, in seconds.
REST = Backoff(base=2.0, cap=120.0)
#: The weight of the newest request in the mean of the times.
NEWEST = 0.2
#: One on trial is given so many times what its check took, and at least so many seconds.
TRIAL_TIMES = 4.0
TRIAL_S = 1.0
#: Costs that differ by no more than this factor are alike.
ALIKE = 4.0
#: One on trial is taken with this probability however slow it is said to be: else it would stay on trial.
TRIALS = 0.05
#: So often two are drawn before all are looked at.
DRAWS = 8
#: So many sessions are remembered.
MOST_SESSIONS = 4096


@dataclass(slots=True, eq=False)
class Standing:
    """How one upstream does here."""

    record: Record
    proven: bool = False
    in_flight: int = 0
    failures: int = 0
    rests_until: float = 0.0
    seconds: float = 0.0  #: until an answer begins, as a moving mean; 0 before the first

    @property
    def cost(self) -> float:
        """What one more request would take, in seconds."""
        seconds = self.seconds or self.record.verdict.latency_ms / 1000 or TRIAL_S
        return seconds * (1 + self.in_flight)

    def patience(self, most: float) -> float:
        """How long an answer is waited for, at most `most` seconds."""
        if self.proven:
            return most
        return min(most, max(TRIAL_S, TRIAL_TIMES * self.record.verdict.latency_ms / 1000))

    def took(self, seconds: float) -> None:
        """It did its part."""
        self.proven = True
        self.failures = 0
        self.rests_until = 0.0
        self.seconds += (seconds - self.seconds) * (NEWEST if self.seconds else 1.0)

    def doubted(self) -> None:
        """Perhaps it did not: it is on trial again."""
        self.proven = False

    def failed(self, now: float) -> None:
        """It did not."""
        self.proven = False
        self.failures += 1
        self.rests_until = now + REST.delay(self.failures)


class Want(NamedTuple):
    """What one request asks of an upstream."""

    route: Route
    host: str
    #: Whether the bytes are not ours to read, so that only a tunnel serves.
    sealed: bool
    #: Whether it is asked for only once, whatever comes of it: not by one that is on trial, then.
    once: bool = False

    @property
    def site(self) -> str:
        """Whose bans and successes count."""
        return self.route.site or self.host


@dataclass(slots=True)
class Choice:
    """All upstreams with their standings; `leaves_from` tells the country of a record, if any."""

    leaves_from: Callable[[Record], str]
    _all: dict[str, Standing] = field(default_factory=dict)
    _order: list[Standing] = field(default_factory=list)
    _sessions: dict[str, Standing] = field(default_factory=dict)
    _unsuited: dict[tuple[str, bool], frozenset[str]] = field(default_factory=dict)

    def update(self, records: Iterable[Record]) -> None:
        """Put what is usable now in the place of what was; standings of those that stay are kept."""
        found = {}
        for record in records:
            standing = self._all.get(record.proxy.url) or Standing(record)
            standing.record = record
            found[record.proxy.url] = standing
        self._all = found
        self._order = list(found.values())
        self._unsuited.clear()

    @property
    def standings(self) -> list[Standing]:
        """All of them."""
        return self._order

    def of(self, url: str) -> Standing | None:
        """The one of that URL."""
        return self._all.get(url)

    def is_free(self, standing: Standing, now: float) -> bool:
        """Whether it rests not, and is not tried by another request just now."""
        return _free(standing, now)

    def unsuited(self, want: Want) -> frozenset[str]:
        """The keys of those that do not serve for `want`."""
        kind = (want.route.country, want.sealed)
        found = self._unsuited.get(kind)
        if found is None:
            keys = (one.record.proxy.key for one in self._order if not self._suits(one, want))
            found = self._unsuited[kind] = frozenset(keys)
        return found

    def draw(self, want: Want, tried: Collection[Standing], now: float) -> Standing | None:
        """Choose one that was not tried; None when there is none."""
        if want.route.session is not None:
            return self._same(want, tried, now)
        order = self._order
        first: Standing | None = None
        for _ in range(min(DRAWS, len(order))):
            one = order[int(random.random() * len(order))]  # noqa: S311  (no secret)
            if one is first or one in tried or not self._offers(one, want, now):
                continue
            if not one.proven and random.random() < TRIALS:  # noqa: S311
                return one
            if first is not None:
                return _better(first, one)
            first = one
        return self._best(want, tried, now)

    def has_other(self, want: Want, tried: Collection[Standing]) -> bool:
        """Whether `draw` would find one; nothing changes by it."""
        return any(self._usable(one, want, tried) for one in self._order)

    def _best(self, want: Want, tried: Collection[Standing], now: float) -> Standing | None:
        """Look at all: first at those that are free, then on trial already, then at those that rest."""
        suited = [one for one in self._order if self._usable(one, want, tried)]
        if not suited:
            return None
        free = [one for one in suited if _free(one, now)]
        awake = free or [one for one in suited if one.rests_until <= now]
        if awake:
            return min(awake, key=lambda one: (want.once and not one.proven, one.cost))
        return min(suited, key=lambda one: (one.in_flight, one.rests_until))

    def _same(self, want: Want, tried: Collection[Standing], now: float) -> Standing | None:
        """The one that a session has: by the highest hash, so that it is lost only with its upstream."""
        name = f"{want.site}\0{want.route.session}\0{want.route.country}"
        kept = self._sessions.get(name)
        if kept and self._usable(kept, want, tried) and kept.rests_until <= now:
            return kept
        suited = [one for one in self._order if self._usable(one, want, tried)]
        awake = [one for one in suited if one.rests_until <= now] or suited
        chosen = max(awake, key=lambda one: _weight(name, one.record.proxy.key), default=None)
        if chosen is not None:
            if len(self._sessions) >= MOST_SESSIONS:
                self._sessions.clear()  # they are only remembered: the hash finds them again
            self._sessions[name] = chosen
        return chosen

    def _usable(self, one: Standing, want: Want, tried: Collection[Standing]) -> bool:
        there = self._all.get(one.record.proxy.url) is one
        return there and one not in tried and self._suits(one, want)

    def _offers(self, one: Standing, want: Want, now: float) -> bool:
        """Whether it may be taken without a look at the others."""
        if want.once and not one.proven:
            return False
        return _free(one, now) and self._suits(one, want)

    def _suits(self, one: Standing, want: Want) -> bool:
        if want.sealed and one.record.verdict.http_only:
            return False
        country = want.route.country
        return not country or self.leaves_from(one.record) == country


def _better(first: Standing, second: Standing) -> Standing:
    if first.cost > ALIKE * second.cost:
        return second
    if second.cost > ALIKE * first.cost:
        return first
    return second if second.in_flight < first.in_flight else first


def _free(one: Standing, now: float) -> bool:
    return one.rests_until <= now and (one.proven or not one.in_flight)


def _weight(session: str, key: str) -> bytes:
    return hashlib.blake2b(f"{session}\0{key}".encode(), digest_size=8).digest()
