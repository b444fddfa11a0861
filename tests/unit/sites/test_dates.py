"""From the dates that people write to ISO 8601."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.extract.dates import Ambiguous, to_date

DAY = "2024-03-05"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05", DAY),
        ("20240305", DAY),
        ("2024-03-05T10:00:00Z", f"{DAY}T10:00:00+00:00"),
        ("2024-03-05 10:00", f"{DAY}T10:00:00"),
        ("2024-03-05T10:00:00.5+02:00", f"{DAY}T10:00:00.500000+02:00"),
        ("2024/3/5", DAY),
        ("5.3.2024", DAY),
        ("05.03.24 18:30", f"{DAY}T18:30:00"),
        ("5 March 2024", DAY),
        ("5. March 2024", DAY),
        ("5th of March, 2024", DAY),
        ("05-Mar-2024", DAY),
        ("Tuesday, March 5th, 2024", DAY),
        ("Mar. 5, 2024 at 6:30 PM", f"{DAY}T18:30:00"),
        ("March 5, 2024 12:05 am", f"{DAY}T00:05:00"),
        ("Tue, 05 Mar 2024 10:00:00 +0100", f"{DAY}T10:00:00+01:00"),
        ("31/12/2024", "2024-12-31"),
        ("12/31/2024", "2024-12-31"),
        ("3/3/2024", "2024-03-03"),
        ("3/3/99", "1999-03-03"),
        ("1709632800", f"{DAY}T10:00:00+00:00"),
        ("1709632800000", f"{DAY}T10:00:00+00:00"),
        *(
            (text, None)
            for text in ("", "yesterday", "31 February 2024", "2024-13-01", "13/13/2024")
        ),
        *((text, None) for text in ("5 Octember 2024", "1,299.00", "in 5 days", "25:00", "5" * 70)),
        ("March 5, 2024 14:05 pm", None),
    ],
)
def test_a_date_is_read_however_it_is_written(text: str, expected: str | None) -> None:
    assert to_date(text) == expected


@pytest.mark.parametrize("text", ["05/03/2024", "5-3-2024", "5/3/24 10:00"])
def test_what_may_be_two_days_is_none_until_somebody_says_which(text: str) -> None:
    with pytest.raises(Ambiguous, match="order"):
        to_date(text)
    assert (to_date(text, "dmy") or "").startswith("2024-03-05")
    assert (to_date(text, "mdy") or "").startswith("2024-05-03")


@given(st.dates(), st.sampled_from(["%d %B %Y", "%B %d, %Y", "%Y/%m/%d", "%d.%m.%Y"]))
def test_every_day_comes_back(day: dt.date, form: str) -> None:
    text = day.strftime(form.replace("%Y", f"{day.year:04d}"))
    assert to_date(text) == day.isoformat()


@given(st.text(max_size=70))
def test_any_text_is_a_date_or_none(text: str) -> None:
    try:
        found = to_date(text)
    except Ambiguous:
        return
    assert found is None or to_date(found) == found
