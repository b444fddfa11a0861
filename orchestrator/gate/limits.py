"""What one site allows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from functools import lru_cache

from orchestrator.core.host_key import host_key

_RATE = re.compile(r"(\d+(?:\.\d+)?)/([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}

_MAY_BE_0 = ("rate", "slots", "host_rate", "host_slots", "rate_min", "adaptive", "merge_www")

#: The slowest and the fastest rate there is, in requests a second.
SLOWEST, FASTEST = 1 / 86_400, 1_000_000.0


def parse_rate(value: object) -> float:
    """Requests per second of `5`, `"5/s"`, `"120/m"` or `"600/h"`.

    >>> parse_rate("120/m")
    2.0

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = _RATE.fullmatch(str(value).replace(" ", ""))
    if not found:
        raise ValueError("write requests per time, like 5/s, 120/m or 600/h")
    return float(found[1]) / _SECONDS[found[2]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one site allows; an argument of every call, so it can change at any time.

    Rates are requests a second, `burst` of them at once after a rest; 0 is no limit. `host_*` hold for
    each of its hosts. `slots` requests at once, 0 any number; a slot whose holder has
    not renewed it for `lease_s` after its request was due is free.

    The breaker opens when at least `failures` requests failed within `window_s` and they are at least
    `ratio` of all; for `open_s`, twice that the next time in a row, at most `open_cap_s`, and up to a
    fifth less or more, by chance. Then `trials` requests at once may try.

    With `adaptive` the rate falls to no less than `rate_min` (0: a tenth of `rate`) when the site says
    that it is too much, and rises again. With `merge_www` the hosts `www.x` and `x` are one.

    Raises:
        ValueError: a limit that nothing can pass, or that means nothing.
    """

    rate: float
    burst: int = 1
    slots: int = 8
    host_rate: float = 0.0
    host_burst: int = 1
    host_slots: int = 0
    failures: int = 5
    window_s: float = 30.0
    ratio: float = 0.5
    open_s: float = 5.0
    open_cap_s: float = 300.0
    trials: int = 1
    adaptive: bool = True
    rate_min: float = 0.0
    merge_www: bool = False
    lease_s: float = 60.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least_is_0 = field.name in _MAY_BE_0
            if not 0 <= value < math.inf or (value == 0 and not least_is_0):
                raise ValueError(f"{field.name} must be {'0 or ' if least_is_0 else ''}more than 0")
        if self.rate and not SLOWEST <= self.rate <= FASTEST:
            raise ValueError(f"rate must be from one a day to {FASTEST:.0f} a second")
        if self.rate_min > self.rate:
            raise ValueError("rate_min must be at most rate")
        if self.ratio > 1:
            raise ValueError("ratio must be at most 1")

    @property
    def interval_us(self) -> int:
        """Time between two requests, rounded up: never faster than the rate; 0: no limit."""
        return _interval(self.rate)

    @property
    def slowest_us(self) -> int:
        """Time between two requests at the slowest that `adaptive` makes it."""
        slowest = self.rate_min or self.rate / 10
        return _interval(slowest) if self.adaptive else self.interval_us

    @property
    def host_interval_us(self) -> int:
        """Time between two requests to one host; 0: no limit of its own."""
        return _interval(self.host_rate)

    @property
    def lease_us(self) -> int:
        """How long a slot is held without being renewed."""
        return round(self.lease_s * 1_000_000)

    def host_key(self, host: str) -> str:
        """Return the one spelling of a host, or of the host of a URL.

        Raises:
            ValueError: there is none in it.
        """
        found = _key_of(host)
        if not found:
            raise ValueError(f"the gate needs a host, or a URL at one, not {host!r:.80}")
        return found.removeprefix("www.") if self.merge_www else found

    @property
    def by_host(self) -> bool:
        """Whether a host has limits of its own."""
        return bool(self.host_rate or self.host_slots)


_key_of = lru_cache(10_000)(host_key)


def _interval(rate: float) -> int:
    return math.ceil(1_000_000 / rate) if rate else 0
