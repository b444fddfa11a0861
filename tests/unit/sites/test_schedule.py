"""Which moments a cron expression names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery import Celery
from celery.schedules import crontab
from hypothesis import given
from hypothesis import strategies as st

from sites.definition.schedule import Cron, read

BERLIN = ZoneInfo("Europe/Berlin")
APP = Celery(set_as_current=False, timezone="UTC", enable_utc=True)


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("schedule", "after", "until", "due"),
    [
        ("0 */6 * * *", "2026-01-05 05:59", "2026-01-05 06:00", "2026-01-05 06:00"),
        ("0 */6 * * *", "2026-01-05 06:00", "2026-01-05 11:59", None),  # that one was seen to
        ("0 */6 * * *", "2026-01-01 00:00", "2026-01-05 11:59", "2026-01-05 06:00"),  # one of many
        ("*/15 * * * *", "2026-01-05 00:00", "2026-01-05 00:44", "2026-01-05 00:30"),
        ("5-59/20 8,20 * * *", "2026-01-05 00:00", "2026-01-05 08:30", "2026-01-05 08:25"),
        ("5/20 * * * *", "2026-01-05 08:00", "2026-01-05 08:59", "2026-01-05 08:45"),
        ("0 0 * * 7", "2026-01-01 00:00", "2026-01-10 00:00", "2026-01-04 00:00"),
        ("0 0 * * sun", "2026-01-01 00:00", "2026-01-10 00:00", "2026-01-04 00:00"),
        ("0 0 * * MON-fri", "2026-01-01 12:00", "2026-01-04 12:00", "2026-01-02 00:00"),
        ("0 0 13 * fri", "2026-01-10 00:00", "2026-01-14 00:00", "2026-01-13 00:00"),  # either
        # A day or weekday with a star limits the other one, as cron has it: not either, but both.
        ("0 0 */2 * fri", "2026-01-01 12:00", "2026-01-08 12:00", None),
        ("0 0 1-7 * */2", "2026-01-02 12:00", "2026-01-03 12:00", "2026-01-03 00:00"),
        ("0 0 1 jan *", "2025-06-01 00:00", "2026-06-01 00:00", "2026-01-01 00:00"),
        ("0 0 29 2 *", "2023-01-01 00:00", "2026-06-01 00:00", "2024-02-29 00:00"),
        ("0 6 * * * Europe/Berlin", "2026-07-05 00:00", "2026-07-05 12:00", "2026-07-05 04:00"),
    ],
)
def test_the_last_moment_of_those_that_passed(
    schedule: str, after: str, until: str, due: str | None
) -> None:
    found = read(schedule).latest(at(after), at(until))

    assert found == (None if due is None else at(due))


@pytest.mark.parametrize(
    ("schedule", "after", "following"),
    [
        ("0 */6 * * *", "2026-01-05 06:00", "2026-01-05 12:00"),
        ("0 */6 * * *", "2026-01-05 18:00", "2026-01-06 00:00"),
        ("0 0 29 2 *", "2024-02-29 00:00", "2028-02-29 00:00"),
        ("0 6 * * mon Europe/Berlin", "2026-01-05 05:00", "2026-01-12 05:00"),
    ],
)
def test_the_moment_that_follows(schedule: str, after: str, following: str) -> None:
    assert read(schedule).following(at(after)) == at(following)


def test_a_time_that_the_clocks_leave_out_comes_when_they_go_on() -> None:
    daily = read("30 2 * * * Europe/Berlin")

    found = daily.latest(at("2026-03-29 00:00"), at("2026-03-29 12:00"))

    assert found
    assert datetime.fromtimestamp(found, BERLIN).hour == 3


def test_a_time_that_the_clocks_show_twice_comes_once() -> None:
    daily = read("30 2 * * * Europe/Berlin")
    first = daily.latest(at("2026-10-25 00:00") - 3600, at("2026-10-25 12:00"))

    assert first == at("2026-10-25 00:30")
    assert daily.latest(first, at("2026-10-25 23:00")) is None


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("* * *", ["five fields", "0 */6 * * *"]),
        ("every day", ["five fields"]),
        ("60 24 * * *", ["minute: '60' must be 0 to 59", "hour: '24' must be 0 to 23"]),
        ("0 0 0 13 8", ["day:", "month: '13' must be 1 to 12 or jan to dec", "weekday: '8'"]),
        ("mon * * * *", ["minute: 'mon'"]),
        ("*/0 * * * *", ["'*/0' has no step"]),
        ("20-10 * * * *", ["'20-10' ends before it begins"]),
        ("1,,2 * * * *", ["minute: ''"]),
        ("0 0 31 2,4 *", ["never run"]),
        ("0 0 * * * Mars/Base", ["'Mars/Base' is no time zone"]),
        ("61 * * * * ../etc", ["minute", "no time zone"]),
    ],
)
def test_whatever_is_wrong_is_told_at_once(schedule: str, told: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        read(schedule)
    for part in told:
        assert part in str(error.value)


def _field(least: int, most: int, names: str = "") -> st.SearchStrategy[str]:
    """What cron and Celery's crontab read alike."""
    words = names.split()
    value = st.integers(least, most).map(str) | st.sampled_from(words or [str(least)])
    spans = st.tuples(st.integers(least, most), st.integers(least, most)).map(sorted)
    span = spans.map(lambda two: f"{two[0]}-{two[1]}")
    steps = st.tuples(st.just("*") | span, st.integers(1, most)).map(
        lambda two: f"{two[0]}/{two[1]}"
    )
    part = value | span | steps | st.just("*")
    return st.lists(part, min_size=1, max_size=3).map(",".join)


MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
OFTEN = st.sampled_from([("*", "*"), ("day", "*"), ("*", "weekday")])


@given(
    _field(0, 59),
    _field(0, 23),
    OFTEN.flatmap(
        lambda kind: st.tuples(
            _field(1, 28) if kind[0] == "day" else st.just("*"),
            _field(0, 6, "sun mon tue wed thu fri sat") if kind[1] == "weekday" else st.just("*"),
        )
    ),
    _field(1, 12, MONTHS),
    st.datetimes(datetime(2023, 1, 1), datetime(2029, 1, 1)),  # noqa: DTZ001 (hypothesis wants it)
)
def test_where_celery_reads_the_same_the_moments_are_the_same(
    minute: str, hour: str, days: tuple[str, str], month: str, start: datetime
) -> None:
    day, weekday = days
    began = start.replace(tzinfo=UTC)
    cron = read(f"{minute} {hour} {day} {month} {weekday}")
    theirs = crontab(minute, hour, weekday, day, month, nowfun=lambda: began, app=APP)
    last, delta, _ = theirs.remaining_delta(began)

    following = cron.following(began.timestamp())

    assert datetime.fromtimestamp(following, UTC) == last + delta
    assert cron.latest(began.timestamp(), following) == following
    assert cron.latest(began.timestamp(), following - 1) is None


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        *[("Europe/Berlin", "2026-03-29"), ("Europe/Berlin", "2026-10-25")],
        *[("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01")],
        *[("Asia/Kathmandu", "2026-03-29"), ("Africa/Cairo", "2026-04-24")],
    ],
)
@pytest.mark.parametrize("fields", ["*/20 * * * *", "30 2 * * *", "15 0-3 * * *", "0 0 * * *"])
def test_about_a_change_of_the_clocks_each_time_that_they_show_comes_once(
    zone: str, day: str, fields: str
) -> None:
    """By the clock on the wall, minute by minute: what is left out comes an hour later."""
    clock, cron = ZoneInfo(zone), read(fields)
    ours = read(f"{fields} {zone}")
    begin = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=20)
    expected: set[float] = set()
    before = begin.astimezone(clock).replace(tzinfo=None)
    for minutes in range(60 * 48):
        moment = begin + timedelta(minutes=minutes)
        shown = moment.astimezone(clock)
        wall = shown.replace(tzinfo=None, fold=0)
        if not shown.fold and _names(cron, wall):
            expected.add(moment.timestamp())
        left_out = wall - timedelta(hours=1)
        if wall - before > timedelta(minutes=1):  # they went on by an hour
            gone_on = moment + timedelta(hours=1)
            expected |= {
                (moment + timedelta(minutes=n)).timestamp()
                for n in range(int((gone_on - moment).total_seconds() // 60))
                if _names(cron, left_out + timedelta(minutes=n))
            }
        before = shown.replace(tzinfo=None)

    until = (begin + timedelta(hours=48)).timestamp() - 1
    found, at_ = [], begin.timestamp() - 1
    while (at_ := ours.following(at_)) <= until:
        found.append(at_)
    assert found == sorted(expected)
    back = until
    for each in reversed(found):
        assert ours.latest(begin.timestamp() - 1, back) == each
        back = each - 1


def _names(cron: Cron, wall: datetime) -> bool:
    return wall.minute in cron.minutes and wall.hour in cron.hours
