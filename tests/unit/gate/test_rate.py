"""Turns and pace: reckoning in µs, the clock is an argument."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import Verdict
from orchestrator.gate.rate import Pace, Turns

SECOND = 1_000_000
OK, LIMITED, BAN = Verdict.OK, Verdict.LIMITED, Verdict.BAN


def booked(turns: Turns, now: int, interval: int, burst: int = 1) -> int:
    at = now + turns.wait(now, (burst - 1) * interval)
    turns.book(at, interval)
    return at


@pytest.mark.parametrize(
    ("burst", "expected"),
    [(1, [0, 10, 20, 30, 40]), (2, [0, 0, 10, 20, 30]), (4, [0, 0, 0, 0, 10])],
)
def test_turns_come_at_once_while_the_burst_lasts_and_then_evenly(
    burst: int, expected: list[int]
) -> None:
    turns = Turns()
    assert [booked(turns, 1000, 10, burst) - 1000 for _ in expected] == expected


def test_a_rest_fills_the_burst_again_and_no_more() -> None:
    turns = Turns()
    for _ in range(9):
        booked(turns, 1000, 10, 3)
    assert [booked(turns, 9000, 10, 3) - 9000 for _ in range(5)] == [0, 0, 0, 10, 20]


@given(
    st.integers(1, 50),
    st.integers(1, 5),
    st.lists(st.integers(0, 200), max_size=40),
    st.integers(1, 500),
)
def test_no_window_has_more_than_its_share_and_the_burst(
    interval: int, burst: int, pauses: list[int], window: int
) -> None:
    turns, now, times = Turns(), 1000, []
    for pause in pauses:
        now += pause
        times.append(booked(turns, now, interval, burst))
    for begin in times:
        within = [at for at in times if begin <= at < begin + window]
        assert len(within) <= (window - 1) // interval + burst


def test_the_last_turn_can_be_given_back_and_an_earlier_one_is_lost() -> None:
    turns = Turns()
    first, second = booked(turns, 1000, 10), booked(turns, 1000, 10)
    turns.give_back(first, 10)
    assert turns.wait(1000, 0) == 20
    turns.give_back(second, 10)
    assert turns.wait(1000, 0) == 10
    turns.give_back(second, 10)
    assert turns.wait(1000, 0) == 10


def test_a_turn_that_comes_back_is_not_earlier_than_it_was() -> None:
    turns = Turns()
    turns.book(5000, 10)
    turns.give_back(5000, 10)
    assert 1000 + turns.wait(1000, 0) == 5000


@pytest.mark.parametrize("verdict", [LIMITED, BAN])
def test_what_is_too_much_for_a_site_halves_the_rate_down_to_the_slowest(verdict: Verdict) -> None:
    limits, pace, now = Limits(rate=10, rate_min=2), Pace(), 0
    seen = []
    for _ in range(4):
        pace.hear(verdict, None, now, limits)
        seen.append(pace.interval(limits))
        now += 10 * SECOND
    assert seen == [200_000, 400_000, 500_000, 500_000]


def test_the_slowest_is_a_tenth_where_nothing_else_is_said() -> None:
    limits, pace = Limits(rate=10), Pace()
    for nth in range(9):
        pace.hear(LIMITED, None, nth * 60 * SECOND, limits)
    assert pace.interval(limits) == SECOND


@pytest.mark.parametrize(("rate", "apart"), [(10, 1.0), (0.5, 8.0)])
def test_what_is_heard_of_requests_before_a_cut_does_not_cut_again(
    rate: float, apart: float
) -> None:
    limits, pace = Limits(rate=rate), Pace()
    pace.hear(LIMITED, None, 0, limits)
    once = pace.us
    assert once == 2 * limits.interval_us
    pace.hear(LIMITED, None, round(apart * SECOND) - 1, limits)
    assert pace.us == once
    pace.hear(LIMITED, None, round(apart * SECOND), limits)
    assert pace.us == 2 * once


def test_while_all_is_well_the_rate_rises_by_a_tenth_of_the_full_one_each_second() -> None:
    limits, pace, now = Limits(rate=10), Pace(), 0
    pace.hear(LIMITED, None, now, limits)
    rates = []
    for _ in range(6):
        pace.hear(OK, None, now + SECOND - 1, limits)  # too soon
        now += SECOND
        pace.hear(OK, None, now, limits)
        rates.append(SECOND / pace.interval(limits))
    assert rates == pytest.approx([6, 7, 8, 9, 10, 10], rel=0.001)
    assert pace.us == 0


@pytest.mark.parametrize("rate", [1 / 86_400, 0.3, 7, 333_333, 1_000_000])
def test_every_rate_recovers(rate: float) -> None:
    limits, pace, now = Limits(rate=rate), Pace(), 0
    for _ in range(5):
        pace.hear(LIMITED, None, now, limits)
        now += 100 * limits.slowest_us + SECOND
    for _ in range(20):
        pace.hear(OK, None, now, limits)
        now += 100 * limits.slowest_us + SECOND
    assert pace.interval(limits) == limits.interval_us


def test_one_that_is_not_to_adapt_keeps_the_full_rate() -> None:
    slow = Limits(rate=10)
    pace = Pace()
    pace.hear(LIMITED, None, 0, slow)
    assert pace.interval(Limits(rate=10, adaptive=False)) == 100_000


def test_a_rate_that_is_set_lower_goes_over_the_pace() -> None:
    pace = Pace()
    pace.hear(LIMITED, None, 0, Limits(rate=10))
    assert pace.interval(Limits(rate=1)) == SECOND


def test_answers_that_begin_to_drag_slow_it_down_by_a_fifth() -> None:
    limits, pace = Limits(rate=10), Pace()
    for nth in range(100):
        pace.hear(OK, 50_000, nth * 100_000, limits)
    assert pace.us == 0
    now = 10 * SECOND
    while not pace.us:
        pace.hear(OK, 800_000, now, limits)
        now += 100_000
    assert pace.us == 125_000
    assert now < 12 * SECOND
    pace.hear(OK, 800_000, now + 5 * SECOND, limits)
    assert pace.us == 156_250, "while they drag it does not rise"


def test_answers_that_were_always_slow_do_not_slow_it_down() -> None:
    limits, pace = Limits(rate=10), Pace()
    for nth in range(300):
        pace.hear(OK, 5 * SECOND + nth % 7 * 100_000, nth * 100_000, limits)
    assert pace.us == 0


def test_a_pause_is_never_shortened() -> None:
    pace = Pace()
    pace.stay_away(500)
    pace.stay_away(200)
    assert pace.pause == 500
