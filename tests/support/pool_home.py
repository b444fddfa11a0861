"""A pool for tests, with a clock that they set: what workers do to it, without workers."""

from __future__ import annotations

import itertools
from collections.abc import Collection

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from proxies.model import Anonymity, Proxy, Verdict, parse
from proxies.pool.ledger import Failing, Ledger, Look, Pair
from proxies.pool.odds import Tally
from proxies.pool.picker import Outcome
from proxies.pool.pool import Pool
from tests.support.timed_scripts import CLOCK, TimedScripts

KEYS = Keys("test:")
LEASE_S = 30.0


def fill(redis: Redis, *texts: str, keys: Keys = KEYS, checked_at: float = 0.0) -> list[Proxy]:
    """Put these into the pool, checked just now unless it is said when."""
    at = checked_at or float(redis.time()[0])
    verdicts = [Verdict(parse(text), at, anonymity=Anonymity.ELITE) for text in texts]
    Pool(redis, keys).replace(verdicts)
    return [verdict.proxy for verdict in verdicts]


class PoolHome:
    """Its clock stands at 1,000,000 s until it is moved."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.ledger = Ledger(KEYS, LEASE_S, TimedScripts())
        self.now = 0.0
        self._tokens = map(str, itertools.count(1))
        self.wait(1_000_000)

    def fill(self, *texts: str) -> list[str]:
        """Put these into the pool; return their keys."""
        return [proxy.key for proxy in fill(self.redis, *texts, checked_at=self.now)]

    def wait(self, seconds: float) -> None:
        """Move the clock; also back."""
        self.now += seconds
        self.redis.set(CLOCK, f"{self.now:.6f}")

    def take(
        self,
        *offers: str,
        site: str = "shop",
        session: str | None = None,
        avoid: Collection[str] = (),
    ) -> tuple[str, str]:
        """Take one of the offers; return it ("" is none) and the token."""
        token = next(self._tokens)
        taken, _ = self.ledger.take(site, session, token, offers, avoid).run(self.redis)
        return taken, token

    def refused(self, *offers: str, site: str = "shop") -> int:
        """Take one of the offers; return how many were refused before it."""
        return self.ledger.take(site, None, next(self._tokens), offers, ()).run(self.redis)[1]

    def report(
        self, key: str, token: str, outcome: Outcome, seconds: float = 1.0, site: str = "shop"
    ) -> bool:
        """Report on a pick; tell whether it counted."""
        return self.ledger.report(site, key, token, outcome, seconds).run(self.redis)

    def ask(self, key: str, outcome: Outcome, seconds: float = 1.0, site: str = "shop") -> None:
        """Make one request, which takes no time, through a proxy that is free."""
        taken, token = self.take(key, site=site)
        assert taken == key, "it is not free"
        assert self.report(key, token, outcome, seconds, site)

    def look(self, site: str = "shop", *, known: int = -1, since: float = 0.0) -> Look:
        """Look at the pool."""
        return self.ledger.look(site, known, since, since).run(self.redis)

    def pair(self, key: str, site: str = "shop") -> Pair:
        """What is known of a proxy at a site."""
        return self.look(site).pairs.get(key, Pair())

    def tally(self, key: str) -> Tally:
        """How its requests went at all sites."""
        return self.look().tallies.get(key, Tally())

    def failing(self, key: str) -> Failing:
        """Its failures in a row."""
        return self.look().failing.get(key, Failing())
