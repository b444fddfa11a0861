"""The deaths of a service, and what follows from the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.supervise.restart import GiveUp, Restart

if TYPE_CHECKING:
    from orchestrator.supervise.restart import RestartPolicy

#: No policy looks at more.
REMEMBERED = 100


class History:
    """Counts restarts, and remembers the deaths that a service is blamed for."""

    def __init__(self, policy: RestartPolicy) -> None:
        self.restarts = 0
        self.last_exit: int | None = None
        self._policy = policy
        self._deaths: list[float] = []

    def forget(self) -> None:
        """Somebody asked for a fresh start."""
        self._deaths.clear()

    def died(self, now: float, *, blameless: bool = False) -> Restart | GiveUp:
        """What follows; dying while what it needs is away is not held against it."""
        if not blameless:
            self._deaths = [*self._deaths[-REMEMBERED:], now]
        decision = self._policy.decide(self._deaths, now)
        if isinstance(decision, Restart):
            self.restarts += 1
        return decision

    def is_done(self) -> bool:
        """Whether the last end was what the service was for."""
        return self._policy.is_done(self.last_exit)
