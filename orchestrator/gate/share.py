"""What one process may do by itself while nobody counts for all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.gate.limits import SLOWEST

if TYPE_CHECKING:
    from orchestrator.gate.limits import Limits


def share(limits: Limits, users: int, interval_us: int = 0) -> Limits:
    """Return what one of so many processes may do by itself, so that all together stay within `limits`.

    `interval_us`: the time between two requests that held last, as somebody or the site had it.

    In any second they start at most the rate: each might begin one more than its share of a second has,
    so that many are taken off before.

    >>> from orchestrator.gate.limits import Limits
    >>> share(Limits(rate=50, slots=8), 4).rate
    11.5
    """
    held = 1_000_000 / interval_us if interval_us else limits.rate
    return replace(
        limits,
        rate=_part(min(held, limits.rate), users),
        burst=1,
        slots=max(1, limits.slots // users) if limits.slots else 0,
        host_rate=_part(limits.host_rate, users),
        host_burst=1,
        host_slots=max(1, limits.host_slots // users) if limits.host_slots else 0,
        rate_min=0.0,
    )


def _part(rate: float, users: int) -> float:
    part = rate if users <= 1 else max(rate - users, rate / 2) / users
    return max(SLOWEST, part) if rate else 0.0
