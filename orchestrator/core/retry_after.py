"""What a server means by `Retry-After`: seconds, or a date."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: No server means more than a year, in seconds, and who counts µs has no room for more.
LONGEST_S = 365 * 86_400.0


def asked_for(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds an answer asks us to wait; None when it does not, or not in sense.

    A date is measured by the server's own clock, where it shows that. `now`: seconds since 1970.

    >>> asked_for({"Retry-After": "7200"}, 0.0)
    7200.0
    """
    try:
        return seconds_of(headers.get("Retry-After", ""), now, headers.get("Date", ""))
    except ValueError:
        return None


def seconds_of(said: float | str, now: float, date: str = "") -> float:
    """Return how many seconds from `now` (seconds since 1970) are meant: from 0 to a year.

    `date` is the server's own clock, as its `Date` header shows it: a date is measured by that.

    >>> seconds_of("120", 0.0), seconds_of("Thu, 01 Jan 1970 00:01:00 GMT", 45.0)
    (120.0, 15.0)

    Raises:
        ValueError: neither a number nor a date.
    """
    if not isinstance(said, str):
        return min(LONGEST_S, max(0.0, float(said)))
    text = said.strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(LONGEST_S, float(text[:20]))
    at = instant(text)
    if at is None:
        raise ValueError(f"Retry-After is neither seconds nor a date: {text[:60]!r}")
    shown = instant(date)
    return min(LONGEST_S, max(0.0, at - (now if shown is None else shown)))


def instant(text: str) -> float | None:
    """Return the seconds since 1970 of an HTTP date; None when it is none."""
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
