"""Whether a failed job is tried again, and when: a decision, with no clock and no store in it."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.backoff import Backoff

_BACKOFF = Backoff(base=1.0, cap=60.0)


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again after `delay` seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not try again; `reason` says why, for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter; what the server asks for is honoured in full.

    On top of either come 0 to `jitter` seconds: those who were sent away together do not come back
    together, even if the server named one time for all.

    >>> policy = RetryPolicy(max_attempts=3, backoff=Backoff(base=1, cap=60))
    >>> policy.decide(1), policy.decide(2, retry_after=30), policy.decide(3)
    (RetryAt(delay=1.0), RetryAt(delay=30.0), GiveUp(reason='out of attempts (3)'))
    """

    max_attempts: int = 3
    backoff: Backoff = _BACKOFF
    jitter: float = 0.0

    def decide(
        self,
        attempt: int,
        draw: float = 1.0,
        retry_after: float | None = None,
        *,
        permanent: bool = False,
    ) -> RetryAt | GiveUp:
        """Decide after the failed `attempt` (1, 2, …); `draw` (0..1) is drawn evenly.

        A `permanent` error is not tried again. `retry_after` (seconds) bounds the wait from below.
        """
        if permanent:
            return GiveUp("permanent error")
        if attempt >= self.max_attempts:
            return GiveUp(f"out of attempts ({attempt})")
        wait = max(self.backoff.delay(attempt, draw), retry_after or 0.0)
        return RetryAt(wait + self.jitter * draw)
