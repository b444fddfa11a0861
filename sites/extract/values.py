"""From the text on a page to a value: pure, and None where the text says no such thing."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal

from sites.extract.dates import to_date

if TYPE_CHECKING:
    from sites.extract.dates import Order
    from sites.url import Base

Value = str | int | float | list[str] | None
#: What a selector finds: text, or what JSON has besides.
Raw = str | int | float | bool
Type = Literal["text", "int", "float", "money", "date", "url", "list", "count"]

#: What has more characters is no number, but data.
LONGEST_NUMBER = 100
#: Beyond this a float is no number that anything could be done with.
LARGEST = 1e300

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"[-+\u2212]?\d(?:[\d.,'\u2019\s]*\d)?|[-+\u2212]?\.\d+")
_GROUPS = re.compile(r"\d{1,3}(?:([.,'\u2019\s])\d{3})(?:\1\d{3})*")


def clean(text: str) -> str:
    r"""Let runs of white space be one space, as a browser shows them.

    >>> clean("  a\u00a0b\n c ")
    'a b c'
    """
    return _SPACE.sub(" ", text).strip()


def cut(text: str, expression: re.Pattern[str] | None) -> str | None:
    """Return what `expression` finds, its first group if it has one; the whole text without one."""
    if expression is None:
        return text
    found = expression.search(text)
    if found is None:
        return None
    return found[1] if found.re.groups else found[0]


def plain(raw: Raw) -> str:
    """Return what was found as text.

    >>> plain(True), plain(4.5), plain("x")
    ('true', '4.5', 'x')
    """
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return raw if isinstance(raw, str) else str(raw)


def convert(raw: Raw, kind: Type, base: Base, order: Order | None = None) -> Value:
    """Return a clean text, or a number of JSON, as the type that is asked for; None if it is none.

    Raises:
        Ambiguous: a date that may mean two days.
    """
    if kind in ("int", "float", "money") and isinstance(raw, int | float):
        if not abs(raw) < LARGEST:
            return None
        return float(raw) if kind != "int" else int(raw) if raw == int(raw) else None
    text = plain(raw)
    if kind == "url":
        return base.link(text)
    if kind == "date":
        return to_date(text, order)
    return _NUMBERS[kind](text) if kind in _NUMBERS else text


def to_int(text: str) -> int | None:
    """Return the first whole number in the text.

    >>> to_int("about 1,234 pages"), to_int("none")
    (1234, None)
    """
    number = _first_number(text)
    return int(number) if number is not None and number == int(number) else None


def to_float(text: str) -> float | None:
    """Return the first number in the text.

    >>> to_float("4.5 of 5"), to_float("4,5")
    (4.5, 4.5)
    """
    number = _first_number(text)
    return float(number) if number is not None else None


def to_money(text: str) -> float | None:
    """Return the first amount in the text, whichever way its separators are used; no currency.

    >>> to_money("£51.77"), to_money("1.234,50 €"), to_money("$1,234"), to_money("1'000")
    (51.77, 1234.5, 1234.0, 1000.0)
    """
    return to_float(text)


_NUMBERS = {"int": to_int, "float": to_float, "money": to_money}


def _first_number(text: str) -> Decimal | None:
    found = _NUMBER.search(text)
    if found is None or len(found[0]) > LONGEST_NUMBER:
        return None
    digits = found[0].replace("\u2212", "-")
    sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits.lstrip("+"))
    try:
        return Decimal(sign + _plain(digits))
    except InvalidOperation:
        return None


def _plain(digits: str) -> str:
    """Remove the separators of groups and let the decimal one be a point.

    One separator alone before exactly three digits separates a group (1,234); before any other
    number of digits it is the decimal one (4,5). Of two kinds the last one is.
    """
    whole = _SPACE.sub("", digits).replace("'", "").replace("\u2019", "")
    kinds = {mark for mark in whole if mark in ".,"}
    if kinds == {".", ","}:
        decimal = whole[max(whole.rfind("."), whole.rfind(","))]
        group = "," if decimal == "." else "."
        return whole.replace(group, "").replace(decimal, ".")
    if len(kinds) == 1:
        mark = kinds.pop()
        grouped = _GROUPS.fullmatch(whole) and not whole.startswith("0")
        return whole.replace(mark, "") if grouped else whole.replace(mark, ".")
    return whole
