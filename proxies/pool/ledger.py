"""How proxies do in use, shared by all workers: the three scripts that look at it and change it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from orchestrator.core.keys import RETENTION_S
from orchestrator.core.script import Call, Script, load
from proxies.model import Verdict
from proxies.pool.odds import ANSWER_S, FAILURE_S, HALF_LIFE_S, Tally

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from orchestrator.core.keys import Keys

    Args = list[str | int | float]

#: So many failures in a row evict a proxy: it counts as usable when it works again.
EVICTED_AT = 3
#: How long a proxy rests after its first failure in a row, how much longer after each more, and at most.
REST_S, REST_FACTOR, LONGEST_REST_S = 2.0, 4.0, 900.0
#: A proxy that failed last is tried by one request at a time, for so long at most, in seconds.
TRIAL_S = 15.0
#: How long a pair rests of which nobody knows whether the proxy or the site failed, in seconds.
DOUBT_S = 10.0
#: How long a pair cools down after a ban; twice as long after each more in a row, at most.
COOL_S, LONGEST_COOL_S = 900.0, 6 * 3600.0
#: After so many seconds a request counts half towards a ban.
HEAT_HALF_LIFE_S = 400.0
#: Requests in flight through one proxy at a site that bans.
CAP = 1
#: A pair that was banned shows how hot is too hot: this part of it is allowed.
SAFE = 0.75
#: What is allowed falls by this at once, and rises by that with each answer near it: at two bans in a
#: thousand such requests they are even.
DOWN, UP = 0.8, 1.0005
#: A session keeps its proxy for so long after its last request, in seconds.
SESSION_S = 1800


class Pair(NamedTuple):
    """What is known of one proxy at one site."""

    at: float = 0.0
    ok: float = 0.0
    failed: float = 0.0
    ok_s: float = 0.0
    failed_s: float = 0.0
    heat: float = 0.0  #: requests made lately
    in_flight: float = 0.0
    cool_until: float = 0.0
    bans: float = 0.0  #: in a row
    most: float = 0.0  #: how hot it may become; 0: it was never banned
    picks: float = 0.0

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it as the scripts write it."""
        return cls(*map(float, text.split()))

    @property
    def tally(self) -> Tally:
        """How its requests went."""
        return Tally(*self[:5])


class Failing(NamedTuple):
    """A proxy whose last requests failed."""

    row: float = 0.0
    failed_at: float = 0.0
    rest_until: float = 0.0

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it as the scripts write it, or as an older version did: the first number alone."""
        return cls(*map(float, text.split()))


class Look(NamedTuple):
    """What one look has shown; `pool` is None when it is the one that was known."""

    at: float
    generation: int
    pool: dict[str, Verdict] | None
    failing: dict[str, Failing]
    tallies: dict[str, Tally]
    pairs: dict[str, Pair]
    limit: float  #: how hot pairs of the site may become; 0: it has banned nobody yet


@dataclass(frozen=True, slots=True)
class Scripts:
    """The verbs."""

    def take(self) -> Script:
        """See `lua/take.lua`."""
        return load("proxies", "now", "odds", "take")

    def report(self) -> Script:
        """See `lua/report.lua`."""
        return load("proxies", "now", "odds", "pool", "report")

    def look(self) -> Script:
        """See `lua/look.lua`."""
        return load("proxies", "now", "look")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Makes the calls, for either client. A pick that nobody reports on ends after `lease_s`."""

    keys: Keys
    lease_s: float
    scripts: Scripts = field(default_factory=Scripts)

    def look(self, site: str, known: int, since: float, site_since: float) -> Call[Look]:
        """Read what changed since these moments on the server's clock, and the pool if it has.

        `known`: the generation of the pool that is known.
        """
        keys = self.keys
        names = [keys.pool_meta(), keys.pool(), keys.pool_failures(), *self._odds()]
        names += [self._part(site, part) for part in ("pairs", "touched", "facts")]
        args: Args = [known, f"{since:.6f}", f"{site_since:.6f}"]
        return Call(self.scripts.look(), names, args, lambda reply: _look(reply, known))

    def take(
        self,
        site: str,
        session: str | None,
        token: str,
        offers: Sequence[str],
        avoid: Collection[str],
    ) -> Call[tuple[str, int]]:
        """Take the first that is free, or the session's own.

        Return it ("" is none), and how many offers were refused before it.
        """
        keys = self.keys
        names = [keys.pool(), keys.pool_failures(), keys.pool_touched()]
        names += [*self._site(site), keys.pool_sites()]
        if session is not None:
            names.append(self._part(site, f"session:{session}"))
        args: Args = [
            site,
            token,
            self.lease_s,
            CAP,
            HALF_LIFE_S,
            HEAT_HALF_LIFE_S,
            TRIAL_S,
            RETENTION_S,
        ]
        args += [SESSION_S, f" {' '.join(avoid)} ", *offers]
        return Call(self.scripts.take(), names, args, _taken)

    def report(
        self,
        site: str,
        proxy: str,
        token: str,
        outcome: str,
        seconds: float,
        cool_s: float = COOL_S,
    ) -> Call[bool]:
        """Say how a request went; return whether it counted: it does once, while its lease lasts.

        `seconds` 0: nobody has measured it. `cool_s`: for how long a first ban cools the pair down.
        """
        keys = self.keys
        names = [
            keys.pool(),
            keys.pool_failures(),
            keys.pool_meta(),
            *self._odds(),
            *self._site(site),
        ]
        args: Args = [proxy, token, outcome, seconds, self.lease_s, HALF_LIFE_S, HEAT_HALF_LIFE_S]
        args += [RETENTION_S, EVICTED_AT, REST_S, REST_FACTOR, LONGEST_REST_S, DOUBT_S]
        args += [cool_s, LONGEST_COOL_S, SAFE, DOWN, UP, ANSWER_S, FAILURE_S]
        return Call(self.scripts.report(), names, args, bool)

    def _odds(self) -> list[str]:
        return [self.keys.pool_odds(), self.keys.pool_touched()]

    def _site(self, site: str) -> Iterator[str]:
        return (self._part(site, part) for part in ("pairs", "touched", "leases", "facts"))

    def _part(self, site: str, part: str) -> str:
        return self.keys.pool_site(site, part)


def _taken(reply: list[Any]) -> tuple[str, int]:
    return str(reply[0]), int(reply[1])


def _look(reply: list[Any], known: int) -> Look:
    at, generation, pool, failing, tallies, pairs, limit = reply
    return Look(
        float(at),
        int(generation),
        None
        if int(generation) == known
        else {key: Verdict.from_json(json.loads(text)) for key, text in _items(pool)},
        {key: Failing.read(text) for key, text in _items(failing)},
        {key: Tally.read(text) for key, text in _items(tallies)},
        {key: Pair.read(text) for key, text in _items(pairs)},
        float(limit or 0),
    )


def _items(flat: list[str]) -> Iterator[tuple[str, str]]:
    return zip(flat[::2], flat[1::2], strict=True)
