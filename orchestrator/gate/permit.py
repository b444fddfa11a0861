"""What the gate is asked, what it answers, and what is reported back to it.

What is made for every request is a tuple: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from orchestrator.gate.limits import Limits


class Reason(StrEnum):
    """What refused."""

    RATE = "rate"
    #: The site asked everybody to stay away for a while (Retry-After).
    PAUSE = "pause"
    BREAKER = "breaker"
    SLOT = "slot"


class Verdict(StrEnum):
    """What a request said about the *site*."""

    OK = "ok"
    FAILURE = "failure"
    #: 429, or 503 with Retry-After: alive, and too much for it. It slows the rate down, no breaker.
    LIMITED = "limited"
    #: The site knows us and does not want us: it slows the rate down, and counts as a failure.
    BAN = "ban"
    #: Nothing: the proxy was dead, or it was our own fault.
    NEUTRAL = "neutral"
    #: Nothing: the request was never made. Its turn is given back if nobody booked behind it.
    UNUSED = "unused"


class BreakerState(StrEnum):
    """Where a breaker stands; half-open lets a few trials through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Report(NamedTuple):
    """The end of a request. `latency_s` and `retry_after_s` (seconds, in full) where they are known."""

    verdict: Verdict
    latency_s: float | None = None
    retry_after_s: float | None = None


class Ask(NamedTuple):
    """One request that wants to pass. Times are µs.

    `holder` names it for good: a slot is taken once, however often it is asked for. With `queues` a
    request that finds no slot stands in line for `WAITER_US`; `since` is its place, from the first answer
    on.
    """

    site: str
    host: str
    holder: str
    max_wait_us: int = 0
    queues: bool = False
    since: int = 0


class Grant(NamedTuple):
    """The request may be made in `wait_us`. `fence` grows with each grant of the site.

    `due` is the point in time that was booked (the store's clock, µs), `epoch` that of the breaker;
    `trial`: this request decides a half-open one. `interval_us` later the next turn was then: by that
    the turn is known again should it go back.
    """

    ask: Ask
    wait_us: int
    fence: int
    due: int
    epoch: int
    trial: bool
    interval_us: int = 0

    def holds(self, limits: Limits) -> bool:
        """Tell whether a slot was taken for it, whose lease ends."""
        return bool(limits.slots or limits.host_slots or self.trial)


@dataclass(frozen=True, slots=True)
class Refused:
    """Not now, for `reason`. Nothing was booked; look again after `wait_s`.

    For rate, pause and an open breaker `wait_s` is exact; a slot or a running trial may end at any time,
    so there it is only how long to leave the gate alone. `since`: the place in line, if any.
    """

    reason: Reason
    wait_s: float
    since: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How the breaker of a site stands: `rest_s` until it may be tried, or until a pause ends."""

    state: BreakerState
    epoch: int
    rest_s: float = 0.0
    reason: Reason | None = None


#: Who waits for a slot and has not looked for so long is dead: its place in line is gone, in µs.
WAITER_US = 1_000_000
#: Nobody knows when a slot or a trial ends before its lease does: worth another look after this, in µs.
LOOK_AGAIN_US = 50_000
