"""When something happened: for people, and as log lines say it."""

from __future__ import annotations

import re
import time
from datetime import datetime

#: Celery, Python's logging and most others: 2026-01-21 10:00:00,123 with or without a zone.
_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,6}))?(Z|[+-]\d\d:?\d\d)?")
#: Redis and Valkey: 21 Jan 2026 10:00:00.123
_REDIS = re.compile(r"\b(\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d:\d\d:\d\d)\.(\d{3})")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
#: A time further behind in a line is not the line's own.
_LOOKED_AT = 80


def local(at: float) -> str:
    """A point in time (seconds since 1970) as people of this place write it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def of_line(line: str) -> str:
    """The time at the beginning of a log line, in a form that sorts; "" when there is none.

    >>> of_line("[2026-01-21 10:00:00,123: INFO/MainProcess] hello")
    '2026-01-21 10:00:00.123000'
    >>> of_line("77:M 21 Jan 2026 10:00:00.123 * Ready to accept connections")
    '2026-01-21 10:00:00.123000'
    >>> of_line("Traceback (most recent call last):")
    ''
    """
    start = line[:_LOOKED_AT]
    if found := _ISO.search(start):
        date, clock, part, zone = found.groups()
        text = f"{date} {clock}.{(part or '').ljust(6, '0')}"
        return _here(text + zone) if zone else text
    if found := _REDIS.search(start):
        day, month, year, clock, part = found.groups()
        number = _MONTHS.index(month) + 1 if month in _MONTHS else 0
        return f"{year}-{number:02}-{day} {clock}.{part}000"
    return ""


def _here(text: str) -> str:
    try:
        there = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return there.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")
