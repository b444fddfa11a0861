"""The pool in figures: what there is, how quick it is, what refreshes found, how each site does with it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from orchestrator.core.redis import translated
from proxies.pool.latencies import figures, histogram
from proxies.pool.ledger import HEAT_HALF_LIFE_S
from proxies.pool.standing import left
from proxies.refresh.history import History

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxies.pool.inventory import Inventory
    from proxies.pool.pool import PoolState
    from proxies.pool.standing import Standing

_STATES = ("usable", "transparent", "stale", "evicted", "unchecked")
_OUTCOMES = ("ok", "banned", "failed", "doubted")
_TLS = {True: "works", False: "broken", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Overview:
    """Of one home."""

    inventory: Inventory

    @translated()
    def read(self) -> dict[str, Any]:
        """Take one look at everything.

        Raises:
            RedisUnavailable: Redis does not answer.
        """
        state, found = self.inventory.standings()
        context = self.inventory.context
        latencies = [one.record.verdict.latency_ms for one in found if one.usable]
        return {
            "live": len(found),
            "usable": len(latencies),
            "refreshed_at": state.refreshed_at,
            "generation": state.generation,
            "states": self._states(found),
            "resting": sum(one.usable and one.rest_s > 0 for one in found),
            **_kinds(found),
            "checked": _ages(found, context.settings.proxies.fresh_for),
            "latency_ms": figures(latencies),
            "latencies": histogram(latencies),
            "refreshes": History(context.redis, context.keys).rows(),
            "sites": [self._site(site, at, state) for site, at in self.inventory.sites().items()],
        }

    def _states(self, found: Sequence[Standing]) -> dict[str, int]:
        """How many are in each state; who rests or is asked is usable all the same."""
        counted = Counter("usable" if one.usable else one.state for one in found)
        counted["unchecked"] = len(self.inventory.unchecked(found))
        return {name: counted[name] for name in _STATES}

    def _site(self, site: str, picked_at: float, state: PoolState) -> dict[str, Any]:
        redis, keys = self.inventory.context.redis, self.inventory.context.keys
        look = self.inventory.look(site, state)
        counts = redis.hgetall(keys.pool_site(site, "facts"))
        told = {name: int(counts.get(name, 0)) for name in ("picks", *_OUTCOMES)}
        ended = sum(told[name] for name in _OUTCOMES)
        members = {record.proxy.key for record in state.records}
        cooling = [pair for key, pair in look.pairs.items() if key in members]
        return {
            "site": site,
            **told,
            "success": round(told["ok"] / ended, 3) if ended else None,
            "cooling": sum(left(pair.cool_until, look.at) > 0 for pair in cooling),
            "in_flight": redis.zcount(keys.pool_site(site, "leases"), look.at, "+inf"),
            "limit": round(look.limit, 1) or None,
            "limit_per_min": round(_steady_per_min(look.limit), 1) or None,
            "picked_at": picked_at,
        }


def _steady_per_min(heat: float) -> float:
    """How many requests a minute keep it so hot."""
    return heat * math.log(2) / HEAT_HALF_LIFE_S * 60


def _kinds(found: Sequence[Standing]) -> dict[str, dict[str, int]]:
    """What the live ones are, the most frequent first."""
    verdicts = [one.record.verdict for one in found]
    return {
        "anonymity": dict(Counter(str(each.anonymity) for each in verdicts).most_common()),
        "protocols": dict(Counter(each.proxy.scheme for each in verdicts).most_common()),
        "tls": dict(Counter(_TLS[each.tls] for each in verdicts).most_common()),
    }


def _ages(found: Sequence[Standing], fresh_for: float) -> dict[str, float | None]:
    """How long ago the live ones were checked, and how long that counts, in seconds."""
    ages = [one.record.age_s for one in found]
    told = {"newest_s": min, "median_s": median, "oldest_s": max}
    return {
        **{name: round(pick(ages), 1) if ages else None for name, pick in told.items()},  # type: ignore[operator]
        "fresh_for_s": fresh_for,
    }
