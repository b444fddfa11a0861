"""How long to wait before the next try: a decision, with no clock in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, capped, with full jitter when `draw` (0..1) is handed in.

    Full jitter: the wait is drawn evenly from zero to the exponential bound, which spreads the
    retries of many clients best (Brooker, "Exponential Backoff And Jitter", 2015).

    >>> [Backoff(base=1, cap=10).delay(attempt) for attempt in (1, 2, 3, 4, 5)]
    [1.0, 2.0, 4.0, 8.0, 10.0]
    """

    base: float = 0.5
    cap: float = 30.0

    def delay(self, attempt: int, draw: float = 1.0) -> float:
        """Seconds to wait after the failed `attempt` (1, 2, …)."""
        bound = min(self.cap, self.base * 2.0 ** min(attempt - 1, 40))
        return bound * draw
