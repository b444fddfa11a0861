"""When a site may be asked, and how far apart: decisions, with no clock in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo

from orchestrator.gate.limits import SLOWEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sites.definition.definition import Definition

_QUIET = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)(?:\s+(\S+))?")
_DAY_MIN = 24 * 60
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours of every day in which a site is not asked, by the clocks of a time zone.

    `begin` and `end` in minutes after midnight; from ten to six is over midnight.
    """

    begin: int
    end: int
    zone: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `22:00-06:00 Europe/Berlin`; without a zone UTC is meant.

        Raises:
            ValueError: it is something else.
        """
        found = _QUIET.fullmatch(text.strip())
        if not found:
            raise ValueError("write hours and a time zone, like 22:00-06:00 Europe/Berlin")
        begin, end = (_minutes(found[part], found[part + 1]) for part in (1, 3))
        if begin % _DAY_MIN == end % _DAY_MIN:
            raise ValueError("begins when it ends: no hour or all of them")
        zone = found[5] or "UTC"
        _zone(zone)
        return cls(begin, end, zone)

    def until(self, now: float) -> float | None:
        """Return when it ends if it is quiet at `now` (both in seconds since 1970).

        An hour that comes twice in autumn is quiet both times; one that is left out in spring begins or
        ends where the clocks go on.
        """
        zone = _zone(self.zone)
        today = datetime.fromtimestamp(now, zone).date()
        over_midnight = timedelta(days=self.end <= self.begin)
        for day in (today - timedelta(days=1), today):
            ends = _instant(day + over_midnight, self.end, zone, last=True)
            if _instant(day, self.begin, zone, last=False) <= now < ends:
                return ends
        return None


@lru_cache
def windows(texts: tuple[str, ...]) -> tuple[Quiet, ...]:
    """Read the quiet hours of a definition.

    Raises:
        ValueError: one is wrong, or they leave no time.
    """
    found, problems = [], []
    for text in texts:
        try:
            found.append(Quiet.parse(text))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    # A day of winter in the north, and one of summer.
    if any(quiet_for(found, day) >= _DAY_S - 3600 for day in (1_736_899_200.0, 1_752_537_600.0)):
        raise ValueError("they leave no time in which the site may be asked")
    return tuple(found)


def quiet_for(quiet: Sequence[Quiet], now: float) -> float:
    """Return for how many seconds from `now` (since 1970) a site is not asked; 0: it may be.

    >>> quiet_for([Quiet.parse("22:00-06:00 UTC")], 23 * 3600.0)
    25200.0
    """
    at = now
    for _ in range(len(quiet) + 1):  # one may begin where another ends
        at = max((window.until(at) or at for window in quiet), default=at)
    return at - now


@dataclass(frozen=True, slots=True)
class Spacing:
    """How far apart requests are, in terms of the gate. `jitter_s`: each waits up to so long on top."""

    rate: float
    burst: int
    host_rate: float
    host_burst: int
    jitter_s: float = 0.0

    def jitter(self, draw: float) -> float:
        """Return how long a request waits that may be made now; `draw` (0..1) is drawn evenly."""
        return self.jitter_s * draw


def spacing_of(definition: Definition, crawl_delay: float = 0.0) -> Spacing:
    """Return the rates of a site, by its file and the longest Crawl-delay of its hosts (seconds).

    With jitter the gaps between two requests are from the whole interval up to so much more than that,
    twice the share in all: the gate goes slower by the share, and each request waits up to it by chance. No
    two are ever closer than without it.
    """
    rate, burst = definition.rate, definition.burst
    host_rate, host_burst = definition.host_rate, definition.host_burst
    # A delay of the only host is one of the site: nothing need be known of each host then.
    delay = max(definition.delay, crawl_delay if len(definition.allowed_hosts) == 1 else 0.0)
    if delay and 1 / delay < rate:
        rate, burst = 1 / delay, 1
    if crawl_delay and delay < crawl_delay and (not host_rate or 1 / crawl_delay < host_rate):
        host_rate, host_burst = 1 / crawl_delay, 1
    share = definition.jitter
    jitter = min(share / each for each in (rate, host_rate) if each)
    return Spacing(
        max(SLOWEST, rate / (1 + share)), burst, host_rate / (1 + share), host_burst, jitter
    )


def _minutes(hours: str, minutes: str) -> int:
    found = int(hours) * 60 + int(minutes)
    if int(minutes) >= 60 or found > _DAY_MIN:  # noqa: PLR2004  (minutes of an hour)
        raise ValueError(f"{hours}:{minutes} is no time of a day")
    return found


@lru_cache
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # also what is no file name
        raise ValueError(f"{name!r} is no time zone; write one like Europe/Berlin") from error


def _instant(day: date, minute: int, zone: ZoneInfo, *, last: bool) -> float:
    """Return when the clocks of `zone` show a time: the first, or the `last` of two times they do.

    Where they leave it out, it is when they go on.
    """
    shown = datetime.combine(day, time()) + timedelta(minutes=minute)
    first, second = (int(shown.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1))
    if first <= second:
        return second if last else first
    before, after = second, first
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, zone) == _offset(second, zone):
            before = middle
        else:
            after = middle
    return after


def _offset(at: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(at, zone).utcoffset()
