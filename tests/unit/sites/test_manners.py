"""Quiet hours, delays and jitter: decisions about when a site may be asked."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import ConfigError
from sites.definition.definition import Definition
from sites.definition.registry import read
from sites.politeness.gates import Allowance, limits_of
from sites.politeness.manners import Quiet, quiet_for, spacing_of

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


def rest(now: float, *texts: str) -> float:
    return quiet_for([Quiet.parse(text) for text in texts], now)


NIGHT = "22:00-06:00 Europe/Berlin"


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-01-15T21:59:59", 0),
        ("2026-01-15T22:00", 8),
        ("2026-01-15T23:30", 6.5),
        ("2026-01-16T00:00", 6),
        ("2026-01-16T05:59:59", 1 / 3600),
        ("2026-01-16T06:00", 0),
        ("2026-01-16T12:00", 0),
        ("2026-07-15T22:00", 8),
        # The night in which the clocks go on, and the one in which they go back.
        ("2026-03-28T22:00", 7),
        ("2026-03-29T01:59", 3 + 1 / 60),
        ("2026-03-29T03:00", 3),
        ("2026-10-24T22:00", 9),
        ("2026-10-25T01:00", 6),
        ("2026-10-25T04:00", 2),
    ],
)
def test_a_night_over_midnight_is_quiet_by_the_clocks_of_its_zone(now: str, hours: float) -> None:
    assert rest(at(now), NIGHT) == pytest.approx(hours * HOUR)


def test_an_end_that_the_clocks_leave_out_is_when_they_go_on() -> None:
    now = at("2026-03-29T01:00")
    assert rest(now, "00:00-02:30 Europe/Berlin") == HOUR
    assert rest(at("2026-03-29T03:00"), "00:00-02:30 Europe/Berlin") == 0
    assert rest(now, "02:30-05:00 Europe/Berlin") == 0
    assert rest(at("2026-03-29T03:00"), "02:30-05:00 Europe/Berlin") == 2 * HOUR


def test_an_hour_that_comes_twice_is_quiet_both_times() -> None:
    assert rest(at("2026-10-25T02:15", fold=0), "02:00-02:30 Europe/Berlin") == 1.25 * HOUR
    assert rest(at("2026-10-25T02:15", fold=1), "02:00-02:30 Europe/Berlin") == 0.25 * HOUR


@pytest.mark.parametrize(
    ("text", "now", "hours"),
    [
        ("09:00-17:00", "2026-05-05T10:00", 7),
        ("09:00-17:00 UTC", "2026-05-05T17:00", 0),
        ("20:00-24:00", "2026-05-05T21:00", 3),
        ("0:00-06:00", "2026-05-05T00:00", 6),
        ("00:00-6:00", "2026-05-05T23:59", 0),
        (" 22:00 - 06:00  UTC ", "2026-05-05T23:00", 7),
        ("09:00-17:00 Asia/Kolkata", "2026-05-05T04:00", 7.5),
    ],
)
def test_other_hours(text: str, now: str, hours: float) -> None:
    assert rest(at(now, "UTC"), text) == hours * HOUR


def test_windows_that_meet_are_one() -> None:
    now = at("2026-05-05T21:00", "UTC")
    assert rest(now, "20:00-24:00", "00:00-03:00", "02:00-04:00", "06:00-07:00") == 7 * HOUR
    assert rest(now) == 0


ZONES = ["Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe", "Asia/Kolkata"]
_MINUTES = st.integers(0, 1439)
#: Around the four changes of clocks of 2026 in these zones, and any time.
_NOWS = st.one_of(
    st.integers(1_767_225_600, 1_798_761_600),
    *(
        st.integers(-30 * 3600, 30 * 3600).map(lambda d, day=day: int(at(day, "UTC")) + d)
        for day in ("2026-03-29T01:00", "2026-10-25T01:00", "2026-03-08T07:00", "2026-04-04T15:00")
    ),
)


@given(_MINUTES, _MINUTES, st.sampled_from(ZONES), _NOWS)
def test_it_is_quiet_when_the_clocks_say_so(begin: int, end: int, zone: str, now: int) -> None:
    if begin == end:
        return
    wait = quiet_for([Quiet(begin, end, zone)], now)
    for moment, quiet in ((now, wait > 0), (now + wait, False)):
        shown = datetime.fromtimestamp(moment, ZoneInfo(zone))
        minute = shown.hour * 60 + shown.minute
        by_clock = begin <= minute < end if begin < end else minute >= begin or minute < end
        if not _twice(shown):
            assert quiet == by_clock
        elif (
            moment == now
        ):  # a window that ends in an hour that comes twice lasts to its second end
            assert quiet >= by_clock


def _twice(shown: datetime) -> bool:
    first, second = (shown.replace(fold=fold).timestamp() for fold in (0, 1))
    return first != second


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("22-06", "write hours and a time zone, like 22:00-06:00 Europe/Berlin"),
        ("", "write hours"),
        ("22:00-06:00 Europe/Berln", "'Europe/Berln' is no time zone"),
        ("22:00-06:00 ../etc", "is no time zone"),
        ("22:00-06:00 Europe", "is no time zone"),
        ("25:00-06:00", "25:00 is no time of a day"),
        ("22:60-06:00", "22:60 is no time of a day"),
        ("24:01-06:00", "24:01 is no time of a day"),
        ("22:00-22:00", "begins when it ends"),
        ("00:00-24:00", "begins when it ends"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Quiet.parse(text)


def test_all_wrong_hours_and_signs_are_said_at_once() -> None:
    wrong = {"quiet": ["25:00-06:00", "22:00-06:00 Mars"], "block": {"ignore": ["frob", "nicate"]}}

    with pytest.raises(
        ValueError, match=r"25:00 is no time of a day; 'Mars' is no time zone"
    ) as told:
        site(**wrong)
    assert "'frob' and 'nicate' is no sign" in str(told.value)


def site(**more: Any) -> Definition:
    raw = {"name": "s", "start_urls": ["http://h.example/"], "item": {"fields": {"a": "b"}}}
    return Definition.model_validate(raw | more)


def test_the_file_of_a_site_says_it_and_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    text = 'start_urls = ["http://h.example/"]\n{}\n[item.fields]\na = "b"\n'
    path.write_text(
        text.format(f'robots = false\ndelay = "1.5s"\njitter = 0.5\nquiet = ["{NIGHT}"]')
    )
    found = read(path)
    assert (found.robots, found.delay, found.jitter, found.quiet) == (False, 1.5, 0.5, (NIGHT,))
    again = Definition.model_validate_json(found.model_dump_json())
    assert again == found

    path.write_text(
        text.format('delay = "2 days"\njitter = 2\nquiet = ["00:00-13:00", "13:00-24:00"]')
    )
    with pytest.raises(ConfigError) as wrong:
        read(path)
    problems = "\n".join(wrong.value.problems)
    for key in ("delay", "jitter", "quiet", "leave no time"):
        assert key in problems


def test_manners_are_good_without_being_asked_for() -> None:
    plain = site()
    assert plain.robots
    assert spacing_of(plain).rate == plain.rate
    assert spacing_of(plain).jitter(1.0) == 0.0


def test_a_delay_is_the_least_time_between_two_requests_whatever_the_rate_says() -> None:
    limits = limits_of(site(rate=10, burst=5, rate_min=2, delay="4s"))
    assert (limits.rate, limits.burst, limits.rate_min) == (0.25, 1, 0.25)
    slower = limits_of(site(rate="6/m", burst=5, delay="4s"))
    assert (slower.rate, slower.burst) == (0.1, 5)


def test_the_longest_delay_of_all_is_a_day_and_jitter_makes_it_no_shorter() -> None:
    limits = limits_of(site(delay="1d", jitter=1), 86_400.0)
    assert limits.interval_us >= 86_400_000_000


def test_a_crawl_delay_of_the_only_host_slows_the_site_down() -> None:
    allowance = Allowance(site(rate=10, burst=5))
    before = allowance("s")
    assert allowance("s") is before  # the gate knows limits by what they are
    allowance.hear(5.0)
    slow = allowance("s")
    assert (slow.rate, slow.burst, slow.by_host) == (0.2, 1, False)
    allowance.hear(1.0)
    assert allowance("s") is slow
    allowance.hear(10.0)
    assert allowance("s").rate == 0.1


def test_a_crawl_delay_of_one_of_several_hosts_holds_for_each_by_itself() -> None:
    hosts = ["h.example", "i.example"]
    limits = limits_of(site(rate=10, host_rate=4, host_burst=3, allowed_hosts=hosts), 5.0)
    assert (limits.rate, limits.host_rate, limits.host_burst) == (10, 0.2, 1)
    own = limits_of(site(rate=10, host_rate=0.1, host_burst=3, allowed_hosts=hosts), 5.0)
    assert (own.host_rate, own.host_burst) == (0.1, 3)
    delayed = limits_of(site(rate=10, delay=6, allowed_hosts=hosts), 5.0)
    assert (round(1 / delayed.rate), delayed.by_host) == (6, False)


@given(st.floats(0.01, 1), st.floats(0.1, 100), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_with_jitter_no_two_requests_are_closer_than_without(
    jitter: float, rate: float, draws: list[float]
) -> None:
    spacing = spacing_of(site(rate=rate, jitter=jitter))
    times = [n / spacing.rate + spacing.jitter(draw) for n, draw in enumerate(draws)]
    gaps = [later - sooner for sooner, later in pairwise(times)]
    assert min(gaps) >= 1 / rate * (1 - 1e-9)
    assert max(gaps) <= (1 + 2 * jitter) / rate * (1 + 1e-9)


def test_a_second_of_winter_has_no_summer_time() -> None:
    """The zones of this machine are there, and not all UTC."""
    summer, winter = (datetime(2026, month, 1, tzinfo=BERLIN).utcoffset() for month in (7, 1))
    assert (summer, winter) == (timedelta(hours=2), timedelta(hours=1))
