"""Picking proxies without Redis: from the file of the pool, by what this process finds out itself."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.files import read_json
from proxies.model import Proxy, parse
from proxies.pool.ledger import COOL_S, DOUBT_S
from proxies.pool.picker import Lease, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

#: How often the file is looked at, in seconds.
LOOK_EVERY_S = 1.0

_RESTS_S = {Outcome.BANNED: COOL_S, Outcome.FAILED: DOUBT_S, Outcome.DOUBTED: DOUBT_S}


@dataclass(slots=True)
class FilePicker:
    """`Picks` of the usable proxies in `live_proxies.json`, for all sites of one event loop.

    A proxy whose password the file does not tell is none of them. The one with the fewest requests in
    flight is taken, and of several any; one that a site banned, or that failed, rests at this site.
    """

    path: Path
    clock: Clock = SYSTEM
    draw: random.Random = field(default_factory=random.Random)
    _proxies: dict[str, Proxy] = field(init=False, default_factory=dict)
    _rests: dict[tuple[str, str], float] = field(init=False, default_factory=dict)
    _out: Counter[str] = field(init=False, default_factory=Counter)
    _looked_at: float = field(init=False, default=float("-inf"))
    _written_at: int = field(init=False, default=-1)

    async def pick(
        self, site: str, session: str | None = None, *, avoid: Collection[str] = ()
    ) -> Lease | None:
        """See `Picks`."""
        self._look()
        now = self.clock.monotonic()
        free = [
            key
            for key in self._proxies
            if key not in avoid and self._rests.get((site, key), now) <= now
        ]
        if not free:
            return None
        least = min(self._out[key] for key in free)
        key = self.draw.choice([key for key in free if self._out[key] == least])
        self._out[key] += 1
        return Lease(self._proxies[key], site, session, "")

    async def report(
        self,
        lease: Lease,
        outcome: Outcome,
        seconds: float | None = None,
        *,
        again_s: float | None = None,
    ) -> None:
        """See `Picks`."""
        del seconds
        key = lease.proxy.key
        self._out[key] -= 1
        rest = _RESTS_S.get(outcome, 0.0)
        if outcome is Outcome.BANNED and again_s is not None:
            rest = again_s
        if rest:
            self._rests[lease.site, key] = self.clock.monotonic() + rest

    @property
    def usable(self) -> int:
        """How many there are."""
        self._look()
        return len(self._proxies)

    def _look(self) -> None:
        """Read the file again when somebody has written it."""
        now = self.clock.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        try:
            written_at = self.path.stat().st_mtime_ns
        except OSError:
            return  # what was read last serves on
        if written_at != self._written_at:
            self._written_at = written_at
            self._proxies = {proxy.key: proxy for proxy in _usable(read_json(self.path))}
            self._rests = {
                place: until
                for place, until in self._rests.items()
                if until > now and place[1] in self._proxies
            }


def _usable(document: Any) -> list[Proxy]:
    rows = document.get("proxies", []) if isinstance(document, dict) else []
    urls = [row["url"] for row in rows if row.get("usable") and "***@" not in row["url"]]
    return [parse(url) for url in urls]
