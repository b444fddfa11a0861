"""What the gate decides by, what it answers and what is reported back to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Which of the three refused."""

    RATE = "rate"
    BREAKER = "breaker"
    SLOT = "slot"


class Outcome(StrEnum):
    """What a request said about the *site*."""

    OK = "ok"
    FAILURE = "failure"
    #: Nothing: the proxy was dead, or the request was never made.
    NEUTRAL = "neutral"


class BreakerState(StrEnum):
    """Where the breaker stands; half-open lets one trial through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one site allows; an argument of every call, so it can change at any time.

    The breaker opens when at least `failures` requests failed within `window_s` and they are at
    least `ratio` of all; for `open_s`, twice that the next time in a row, at most `open_cap_s`.
    A slot frees itself `lease_s` after its request was due: longer than any request lasts.

    Raises:
        ValueError: a limit that nothing can pass.
    """

    rate_per_s: float
    burst: int = 1
    slots: int = 8
    failures: int = 5
    window_s: float = 30.0
    ratio: float = 0.5
    open_s: float = 5.0
    open_cap_s: float = 300.0
    lease_s: float = 60.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be more than 0")

    @property
    def interval_us(self) -> int:
        """Time between two requests, rounded up: never faster than the rate."""
        return math.ceil(1_000_000 / self.rate_per_s)

    @property
    def tolerance_us(self) -> int:
        """How much earlier than evenly spaced a request may come."""
        return (self.burst - 1) * self.interval_us


@dataclass(frozen=True, slots=True)
class Permit:
    """One request may be made `wait_s` from the answer on; give it back by `leave`.

    `epoch` is the breaker's state it was granted in; `trial` says that it decides a half-open one.
    """

    site: str
    host: str
    token: str
    wait_s: float = 0.0
    trial: bool = False
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """Not now. Nothing was booked; look again after `wait_s`.

    For the rate and an open breaker `wait_s` is exact; a slot or a running trial may end at any
    time, so there it is only how long to leave the gate alone.
    """

    reason: Reason
    wait_s: float
