"""When does a dead service start again? A decision, with no clock and no process in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Restart:
    """Start it again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It dies faster than we may restart it."""

    deaths: int
    within: float


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The first time at once, then with growing pauses; give up after `limit` deaths in `window`."""

    limit: int = 6
    window: float = 60.0
    backoff: Backoff = field(default_factory=lambda: Backoff(base=0.5, cap=15.0))

    def decide(self, deaths: Sequence[float], now: float) -> Restart | GiveUp:
        """Decide what follows the latest of `deaths` (times, oldest first).

        >>> policy = RestartPolicy(limit=3, window=10.0)
        >>> policy.decide([100.0], now=100.0)
        Restart(delay=0.0)
        >>> policy.decide([100.0, 101.0], now=101.0)
        Restart(delay=0.5)
        >>> policy.decide([100.0, 101.0, 103.0], now=103.0)
        GiveUp(deaths=3, within=10.0)
        >>> policy.decide([10.0, 20.0, 103.0], now=103.0)  # old deaths are forgiven
        Restart(delay=0.0)
        """
        recent = sum(now - death < self.window for death in deaths)
        if recent >= self.limit:
            return GiveUp(recent, self.window)
        return Restart(0.0 if recent <= 1 else self.backoff.delay(recent - 1))
