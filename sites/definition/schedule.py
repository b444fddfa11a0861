"""When a site is scraped by itself: a cron expression, and the moments it names. No clock in it.

Celery's `crontab` reads fields too, but takes names of days for minutes and no 7 for Sunday, and means day
*and* weekday where cron means either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Name, least and greatest value of each field, and the names of its values from the least on.
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
#: Every date comes within so many days, the 29th of February too.
_FOUR_YEARS = 1461


@dataclass(frozen=True, slots=True)
class Cron:
    """The moments of a cron expression, by the clocks of a time zone.

    Where both day and weekday are limited, either is enough, as cron has it.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool
    zone: ZoneInfo

    def latest(self, after: float, until: float) -> float | None:
        """Return the last moment that is after `after` and not after `until` (seconds since 1970).

        A time that the clocks leave out in spring comes an hour later, one that they show twice only once.

        >>> read("0 */6 * * *").latest(0.0, 50_000.0)
        43200.0
        """
        first = datetime.fromtimestamp(after, self.zone).date()
        day = datetime.fromtimestamp(until, self.zone).date()
        while day >= first:
            for moment in self._moments(day):
                if after < moment <= until:
                    return moment
            day -= timedelta(days=1)
        return None

    def following(self, after: float) -> float:
        """Return the first moment after `after`.

        >>> read("0 */6 * * *").following(43_200.0)
        64800.0
        """
        day = datetime.fromtimestamp(after, self.zone).date()
        while True:
            later = [moment for moment in self._moments(day) if moment > after]
            if later:
                return min(later)
            day += timedelta(days=1)

    def comes(self) -> bool:
        """Tell whether there is any such day."""
        return any(self._on(date(2024, 1, 1) + timedelta(days=n)) for n in range(_FOUR_YEARS))

    def _moments(self, day: date) -> Iterator[float]:
        """Those of one day, the last one first."""
        if self._on(day):
            for hour in reversed(self.hours):
                for minute in reversed(self.minutes):
                    shown = datetime.combine(day, time(hour, minute), self.zone)
                    yield shown.timestamp()

    def _on(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either else by_date and by_weekday


@lru_cache
def read(text: str) -> Cron:
    """Read `0 */6 * * *`, or `0 6 * * mon-fri Europe/Berlin`; without a zone UTC is meant.

    Raises:
        ValueError: naming every field that is wrong, and what is allowed.
    """
    words = text.split()
    if len(words) not in (len(_FIELDS), len(_FIELDS) + 1):
        raise ValueError(
            "write five fields: minute hour day month weekday, like 0 */6 * * *; a time zone may follow"
        )
    found: list[frozenset[int]] = []
    wrong: list[str] = []
    for word, (name, least, most, names) in zip(words, _FIELDS, strict=False):
        try:
            found.append(_values(word.lower(), least, most, names))
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    try:
        zone = ZoneInfo(words[len(_FIELDS)] if len(words) > len(_FIELDS) else "UTC")
    except (KeyError, OSError, ValueError):  # also what is no file name
        wrong.append(f"{words[-1]!r} is no time zone; write one like Europe/Berlin")
    if wrong:
        raise ValueError("; ".join(wrong))
    minutes, hours, days, months, weekdays = found
    cron = Cron(
        *(tuple(sorted(minutes)), tuple(sorted(hours)), days, months),
        frozenset(day % 7 for day in weekdays),
        either=not (words[2].startswith("*") or words[4].startswith("*")),
        zone=zone,
    )
    if not cron.comes():
        raise ValueError("no month has such a day: it would never run")
    return cron


def _values(word: str, least: int, most: int, names: tuple[str, ...]) -> frozenset[int]:
    """Read one field: `*`, `5`, `1-5`, `*/10`, `8-18/2`, and several of them with commas."""
    found: set[int] = set()
    for part in word.split(","):
        fits = _PART.fullmatch(part)
        if not fits:
            raise ValueError(
                f"{part!r} is none of *, 5, 1-5, */10, and several of them with commas"
            )
        begin, end, step = fits.groups()
        first = _value(begin, least, most, names) if begin else least
        last = _value(end, least, most, names) if end else first if begin and not step else most
        if last < first:
            raise ValueError(f"{part!r} ends before it begins")
        if step == "0":
            raise ValueError(f"{part!r} has no step")
        found.update(range(first, last + 1, int(step or 1)))
    return frozenset(found)


def _value(text: str, least: int, most: int, names: tuple[str, ...]) -> int:
    if text in names:
        return least + names.index(text)
    if not text.isdecimal() or not least <= int(text) <= most:
        known = f" or {names[0]} to {names[-1]}" if names else ""
        raise ValueError(f"{text!r} must be {least} to {most}{known}")
    return int(text)
