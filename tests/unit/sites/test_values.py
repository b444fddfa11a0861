"""From text to values."""

from __future__ import annotations

import re

import pytest

from sites.extract.values import clean, cut, to_float, to_int, to_money


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("£51.77", 51.77),
        ("EUR 1.234,50", 1234.5),
        ("1,234.50 USD", 1234.5),
        ("1 234,50 kr", 1234.5),
        ("1\u00a0234 567,8", 1234567.8),
        ("$1,234", 1234.0),
        ("1.234.567", 1234567.0),
        ("0.125", 0.125),
        ("4,5", 4.5),
        ("CHF 1'000.-", 1000.0),
        ("-3.20", -3.2),
        ("\u22123,20", -3.2),
        ("free", None),
        ("", None),
    ],
)
def test_money_is_read_whichever_way_its_separators_are_used(
    text: str, amount: float | None
) -> None:
    assert to_money(text) == amount


@pytest.mark.parametrize(
    ("text", "number"), [("22 left", 22), ("1,234", 1234), ("4.5", None), ("no", None), ("+7", 7)]
)
def test_a_whole_number_is_one_or_none(text: str, number: int | None) -> None:
    assert to_int(text) == number


def test_a_decimal_number_without_a_leading_digit_counts() -> None:
    assert to_float(".5") == 0.5


def test_white_space_is_shown_as_a_browser_does() -> None:
    assert clean("\n a\u00a0 \t b ") == "a b"


def test_an_expression_cuts_its_group_or_all_it_finds() -> None:
    assert cut("In stock (22 left)", re.compile(r"\((\d+)")) == "22"
    assert cut("In stock (22 left)", re.compile(r"\d+ left")) == "22 left"
    assert cut("gone", re.compile(r"\d+")) is None
    assert cut("as it is", None) == "as it is"
