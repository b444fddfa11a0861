"""When does a dead service start again? A decision, with no clock and no process in it."""

from __future__ import annotations

from dataclasses import dataclass
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
    """It is not started again; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """The first time at once, then with growing pauses; give up after `limit` deaths in `window_s`.

    `when`: always | on-failure (not after exit code 0) | never.
    """

    when: str = "always"
    limit: int = 6
    window_s: float = 60.0
    base_s: float = 0.5
    cap_s: float = 15.0

    def decide(self, deaths: Sequence[float], now: float) -> Restart | GiveUp:
        """Decide what follows the latest of `deaths` (times, oldest first).

        >>> policy = RestartPolicy(limit=3, window_s=10.0)
        >>> policy.decide([100.0], now=100.0)
        Restart(delay=0.0)
        >>> policy.decide([100.0, 101.0], now=101.0)
        Restart(delay=0.5)
        >>> policy.decide([100.0, 101.0, 103.0], now=103.0)
        GiveUp(reason='died 3 times within 10 s')
        >>> policy.decide([10.0, 20.0, 103.0], now=103.0)  # old deaths are forgiven
        Restart(delay=0.0)
        """
        if self.when == "never":
            return GiveUp("has ended")
        recent = sum(now - death < self.window_s for death in deaths)
        if recent >= self.limit:
            return GiveUp(f"died {recent} times within {self.window_s:g} s")
        backoff = Backoff(self.base_s, self.cap_s)
        return Restart(0.0 if recent <= 1 else backoff.delay(recent - 1))

    def is_done(self, exit_code: int | None) -> bool:
        """Whether an end with `exit_code` is what the service was for, and no death."""
        return self.when != "always" and exit_code == 0
