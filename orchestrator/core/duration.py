"""Lengths of time as people write them."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse(text: str | float) -> float:
    """Seconds of `90`, `"90"`, `"1.5s"`, `"30m"`, `"1h30m"`, `"2d"`.

    >>> parse("1h30m")
    5400.0

    Raises:
        ValueError: it is none of these, or negative.
    """
    if isinstance(text, int | float):
        if text < 0:
            raise ValueError("a length of time cannot be negative")
        return float(text)
    compact = text.strip().replace(" ", "")
    if re.fullmatch(r"\d+(\.\d+)?", compact):
        return float(compact)
    parts = _PART.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise ValueError(f"{text!r} is no length of time; write it like 30s, 10m, 6h or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def show(seconds: float) -> str:
    """A short text for people.

    >>> show(0.25), show(42), show(125), show(7300)
    ('0.2 s', '42 s', '2 min 5 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
