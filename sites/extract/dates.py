"""From the dates that people write to ISO 8601: pure; what may mean two days is none, and says so."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

Order = Literal["dmy", "mdy"]

#: Longer texts are no dates.
LONGEST_DATE = 60
#: What is more than this is milliseconds since 1970, not seconds: else it would be the year 5138.
_MOST_SECONDS = 100_000_000_000

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            *("january jan", "february feb", "march mar", "april apr", "may", "june jun"),
            *("july jul", "august aug", "september sept sep", "october oct", "november nov"),
            "december dec",
        ),
        1,
    )
    for name in names.split()
}
_TIME = r"(?:(?:,|\s+at|\s+um)?\s+(?P<time>\d{1,2}:\d{2}(?::\d{2})?)\s*(?P<half>[ap]\.?m\.?)?)?"
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
_ISO = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ]\d{2}.*)?", re.IGNORECASE)
_YEAR_FIRST = re.compile(
    rf"(?P<y>\d{{4}})[/.](?P<m>\d{{1,2}})[/.](?P<d>\d{{1,2}}){_TIME}", re.IGNORECASE
)
_NUMBERS = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<mark>[/.-])(?P<b>\d{{1,2}})(?P=mark)(?P<y>\d{{4}}|\d{{2}}){_TIME}",
    re.IGNORECASE,
)
_DAY_FIRST = re.compile(
    rf"{_WEEKDAY}(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?\s*(?:of\s+)?[-\s]?(?P<name>[a-z]+)\.?,?[-\s]\s*"
    rf"(?P<y>\d{{4}}){_TIME}",
    re.IGNORECASE,
)
_MONTH_FIRST = re.compile(
    rf"{_WEEKDAY}(?P<name>[a-z]+)\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}}){_TIME}",
    re.IGNORECASE,
)


class Ambiguous(ValueError):
    """The text may mean two days."""


def to_date(text: str, order: Order | None = None) -> str | None:
    """Return the date as ISO 8601, with the time where the text has one.

    Understood are ISO 8601, RFC 5322 (as in mails and feeds), English names of months, seconds or
    milliseconds since 1970, and numbers: with dots the day is first. `order` says it for the others.

    >>> to_date("Tue, 05 Mar 2024 10:00:00 GMT"), to_date("March 5th, 2024"), to_date("5.3.2024")
    ('2024-03-05T10:00:00+00:00', '2024-03-05', '2024-03-05')
    >>> to_date("31/12/2024"), to_date("05/03/2024", "mdy"), to_date("yesterday")
    ('2024-12-31', '2024-05-03', None)

    Raises:
        Ambiguous: it is the fifth of March to some and the third of May to others.
    """
    if len(text) > LONGEST_DATE:
        return None
    try:
        return _iso(text) or _named(text) or _mail(text) or _numbers(text, order) or _epoch(text)
    except Ambiguous:
        raise
    except (ValueError, OverflowError):  # 31 February
        return None


def _iso(text: str) -> str | None:
    if not _ISO.fullmatch(text):
        return None
    if len(text) in (8, 10):
        return date.fromisoformat(text).isoformat()
    return datetime.fromisoformat(text).isoformat()


def _named(text: str) -> str | None:
    found = _DAY_FIRST.fullmatch(text) or _MONTH_FIRST.fullmatch(text)
    month = _MONTHS.get(found["name"].lower()) if found else None
    return _made(found, month, int(found["d"])) if found and month else None


def _mail(text: str) -> str | None:
    try:
        return parsedate_to_datetime(text).isoformat() if "," in text or ":" in text else None
    except (ValueError, TypeError, IndexError):
        return None


def _numbers(text: str, order: Order | None) -> str | None:
    found = _YEAR_FIRST.fullmatch(text)
    if found:
        return _made(found, int(found["m"]), int(found["d"]))
    found = _NUMBERS.fullmatch(text)
    if not found:
        return None
    first, second = int(found["a"]), int(found["b"])
    if first > 12 or first == second:  # noqa: PLR2004
        order = "dmy"
    elif second > 12:  # noqa: PLR2004
        order = "mdy"
    elif order is None and found["mark"] == ".":
        order = "dmy"
    if order is None:
        raise Ambiguous('may be day or month first: order = "dmy" or "mdy" says which')
    day, month = (first, second) if order == "dmy" else (second, first)
    return _made(found, month, day)


def _epoch(text: str) -> str | None:
    if not re.fullmatch(r"\d{10}(?:\d{3})?(?:\.\d{1,9})?", text):
        return None
    seconds = float(text)
    return datetime.fromtimestamp(
        seconds / 1000 if seconds > _MOST_SECONDS else seconds, UTC
    ).isoformat()


def _made(found: re.Match[str], month: int, day: int) -> str:
    year = int(found["y"])
    if len(found["y"]) == 2:  # noqa: PLR2004 (as POSIX does: 69 to 99 are of the last century)
        year += 1900 if year > 68 else 2000  # noqa: PLR2004
    if not found["time"]:
        return date(year, month, day).isoformat()
    hour, minute, second = map(int, f"{found['time']}:0".split(":")[:3])
    half = (found["half"] or "")[:1].lower()
    if half:
        if not 1 <= hour <= 12:  # noqa: PLR2004
            raise ValueError(f"no such hour: {hour}")
        hour = hour % 12 + (12 if half == "p" else 0)
    return datetime(year, month, day, hour, minute, second).isoformat()  # noqa: DTZ001 (none named)
