"""The pool as people see it and change it by hand; every change shows in the file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.core.redis import translated
from proxies.pool.ledger import Ledger
from proxies.pool.picker import LEASE_S
from proxies.pool.pool import Pool
from proxies.pool.snapshot import Snapshot, entry, facts
from proxies.pool.standing import standings, success_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.core.context import Context
    from proxies.model import Proxy
    from proxies.pool.ledger import Look
    from proxies.pool.pool import PoolState
    from proxies.pool.standing import Standing

#: Stands for a user whose name is not shown.
MASK = "***"


@dataclass(frozen=True, slots=True)
class Inventory:
    """The pool of one home.

    Every method raises `RedisUnavailable` when Redis does not answer.
    """

    context: Context

    @property
    def pool(self) -> Pool:
        """The pool."""
        return Pool(self.context.redis, self.context.keys)

    @property
    def snapshot(self) -> Snapshot:
        """The file that shows it."""
        return Snapshot.of(self.context)

    @translated()
    def sites(self) -> dict[str, float]:
        """The sites that have picked lately, and when each did last (s, server clock); the newest first."""
        key = self.context.keys.pool_sites()
        found: Any = self.context.redis.zrevrange(key, 0, -1, withscores=True)
        return {str(site): float(at) for site, at in found}

    @translated()
    def standings(self, site: str = "") -> tuple[PoolState, list[Standing]]:
        """Return the pool, and how each proxy stands at a site, or in all: the best one first."""
        state = self.pool.state()
        look = self.look(site, state)
        flying = self._in_flight(site, look.at) if site else {}
        return state, standings(state, look, self._fresh_for, flying)

    @translated()
    def look(self, site: str, state: PoolState) -> Look:
        """All that is known of the proxies of `state`, and how they do at a site."""
        ledger = Ledger(self.context.keys, LEASE_S)
        return ledger.look(site, state.generation, 0.0, 0.0).run(self.context.redis)

    @translated()
    def rows(self, site: str = "") -> list[dict[str, Any]]:
        """Every proxy without its credentials, the best one first, at a site or in all.

        Those that people added and nobody has checked yet come last.
        """
        _, found = self.standings(site)
        rows = [_row(one) | (_there(one) if site else {}) for one in found]
        return rows + [_unchecked(proxy, site) for proxy in self.unchecked(found)]

    @translated()
    def unchecked(self, found: Iterable[Standing]) -> list[Proxy]:
        """The proxies that people added, without those that are in the pool."""
        checked = {one.record.verdict.candidate.key for one in found}
        return [proxy for proxy in self.pool.added() if proxy.key not in checked]

    @translated()
    def export(self) -> list[dict[str, Any]]:
        """Every usable proxy as the file shows it, with its credentials."""
        _, found = self.standings()
        return [entry(one, credentials=True) for one in found if one.usable]

    @translated()
    def add(self, proxies: Iterable[Proxy]) -> int:
        """Take proxies into every refresh from now on; return how many are new."""
        return self.pool.add(proxies)

    @translated()
    def remove(self, wanted: Sequence[Sequence[Proxy]]) -> list[bool]:
        """Forget proxies, until a source or `add` names them again.

        Each of `wanted` is all that may be meant by one address. Tell of each whether it was there.
        """
        pool, removed = self.pool, []
        there = self._known(pool)
        for meant in wanted:
            found = [each for each in there if any(_is(each, one) for one in meant)]
            gone = {proxy.key: proxy for each in found for proxy in each}
            removed.append(sum(map(pool.remove, gone.values())) > 0)
        if any(removed):
            self.snapshot.write(pool)
        return removed

    @translated()
    def in_full(self, shown: Proxy) -> list[Proxy]:
        """The proxies that are shown like this, which hides their users."""
        found = {each.key: each for pair in self._known(self.pool) for each in pair}
        return [proxy for proxy in found.values() if _is((proxy,), shown)]

    @property
    def _fresh_for(self) -> float:
        return self.context.settings.proxies.fresh_for

    @staticmethod
    def _known(pool: Pool) -> list[tuple[Proxy, ...]]:
        """Every proxy as it is and as its list names it."""
        records = pool.state().records
        found = [(record.proxy, record.verdict.candidate) for record in records]
        return [*found, *((proxy,) for proxy in pool.added())]

    def _in_flight(self, site: str, now: float) -> Counter[str]:
        key = self.context.keys.pool_site(site, "leases")
        leases = self.context.redis.zrangebyscore(key, now, "+inf")
        return Counter(str(lease).partition(" ")[2] for lease in leases)


def _is(known: tuple[Proxy, ...], wanted: Proxy) -> bool:
    """Whether one of the names of a proxy is this one, which may be masked."""
    for proxy in known:
        shown = replace(proxy, username=MASK) if proxy.username else proxy
        if wanted.key in {proxy.key, shown.key}:
            return True
    return False


def _row(one: Standing) -> dict[str, Any]:
    record = one.record
    return {
        "proxy": record.proxy.masked,
        "state": one.state,
        **facts(one),
        "success": success_of(one.tally),
        "failures": record.failures,
        "rest_s": one.rest_s,
    }


def _there(one: Standing) -> dict[str, Any]:
    """How it does at the site."""
    return {
        "success": success_of(one.pair.tally),
        "picks": round(one.pair.picks),
        "in_flight": one.in_flight,
        "cooldown_s": one.cool_s,
        "bans": round(one.pair.bans),
        "lately": one.lately,
        "most_lately": round(one.most, 1) or None,
    }


def _unchecked(proxy: Proxy, site: str) -> dict[str, Any]:
    row = {
        "proxy": proxy.masked,
        "state": "unchecked",
        "anonymity": "",
        "exit_ip": "",
        "latency_ms": 0,
        "tls": None,
        "checked_at": None,
        "usable": False,
        "score": 0.0,
        "success": None,
        "failures": 0,
        "rest_s": 0.0,
    }
    there = {"picks": 0, "in_flight": 0, "cooldown_s": 0.0, "bans": 0, "lately": 0.0}
    return row | ({**there, "most_lately": None} if site else {})
