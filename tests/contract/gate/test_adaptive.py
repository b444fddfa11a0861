"""How the rate follows what the site says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.gate.permit import Reason, Verdict
from tests.contract.gate.place import BAN, FAILURE, LIMITED, NEUTRAL, OK, QUICK, UNUSED, Place

#: A request in ten seconds, in which the test books the next one; so many failures that bans open nothing.
LIMITS = replace(QUICK, rate=0.1, rate_min=0.02, failures=1000)
#: The time between two of them at the full rate, in µs.
FULL = LIMITS.interval_us


def pace(place: Place) -> float:
    """The time between two requests now, in parts of that at the full rate."""
    first, second = (place.granted(LIMITS, max_wait_us=10**12) for _ in range(2))
    for grant in (second, first):
        place.leave(grant, LIMITS, UNUSED)
    return (second.due - first.due) / FULL


def after(place: Place, seconds: float, verdict: Verdict, latency: float | None = None) -> float:
    """The pace when that much later a request says so."""
    place.pass_time(seconds)
    place.leave(place.granted(LIMITS), LIMITS, verdict, latency=latency)
    place.pass_time(1000)  # so that all that was booked is over
    return pace(place)


@pytest.mark.parametrize("verdict", [LIMITED, BAN])
def test_what_is_too_much_halves_the_rate_down_to_the_slowest(
    place: Place, verdict: Verdict
) -> None:
    assert [after(place, 0, verdict) for _ in range(4)] == [2, 4, 5, 5]


@pytest.mark.parametrize("verdict", [OK, FAILURE, NEUTRAL, UNUSED])
def test_what_says_nothing_of_it_leaves_the_rate_alone(place: Place, verdict: Verdict) -> None:
    assert [after(place, 0, verdict) for _ in range(2)] == [1, 1]


def test_it_never_goes_slower_than_a_tenth_where_nothing_else_is_said(place: Place) -> None:
    limits = replace(LIMITS, rate=1, rate_min=0)
    for _ in range(6):
        place.pass_time(1000)
        place.report(limits, LIMITED)
    place.pass_time(1000)
    first, second = place.granted(limits), place.granted(limits)
    assert second.due - first.due == 10_000_000


def test_many_at_once_say_it_once(place: Place) -> None:
    limits = replace(LIMITS, rate=0.05, rate_min=0.001)
    grants = [place.granted(limits, max_wait_us=10**12) for _ in range(6)]
    for grant in grants:
        place.leave(grant, limits, LIMITED)
    place.pass_time(1000)
    first, second = place.granted(limits), place.granted(limits)
    assert second.due - first.due == 40_000_000


def test_while_all_is_well_it_rises_by_a_tenth_until_it_is_full(place: Place) -> None:
    assert after(place, 0, LIMITED) == 2
    rates = [1 / after(place, 0, OK) for _ in range(6)]
    assert rates == pytest.approx([0.6, 0.7, 0.8, 0.9, 1.0, 1.0], abs=0.001)


def test_it_does_not_rise_with_every_request(place: Place) -> None:
    place.report(LIMITS, LIMITED)
    place.pass_time(1000)
    place.report(LIMITS, OK)
    place.report(LIMITS, *[OK] * 3)  # within 4 times the pace of the last change
    assert 1 / pace(place) == pytest.approx(0.6, abs=0.001)


def test_off_is_off(place: Place) -> None:
    limits = replace(LIMITS, adaptive=False)
    place.report(limits, LIMITED, BAN)
    place.pass_time(1000)
    first, second = place.granted(limits), place.granted(limits)
    assert second.due - first.due == FULL


def test_what_was_said_while_it_was_off_is_not_held_against_the_site(place: Place) -> None:
    limits = replace(LIMITS, adaptive=False)
    place.report(limits, LIMITED)
    place.pass_time(1000)
    assert pace(place) == 1


def test_a_burst_is_not_larger_because_the_pace_is_slower(place: Place) -> None:
    limits = replace(LIMITS, burst=3)
    first, _, _ = (place.granted(limits, max_wait_us=0) for _ in range(3))
    place.leave(first, limits, LIMITED)
    place.refused(limits, max_wait_us=0)


def test_switched_off_it_is_at_full_speed_at_once(place: Place) -> None:
    assert after(place, 0, LIMITED) == 2
    limits = replace(LIMITS, adaptive=False)
    first, second = place.granted(limits), place.granted(limits)
    assert second.due - first.due == FULL


def test_answers_that_begin_to_drag_slow_it_down_by_a_fifth(place: Place) -> None:
    for _ in range(10):
        place.report(LIMITS, OK, latency=0.05)
        place.pass_time(1000)
    assert pace(place) == 1
    for _ in range(20):
        place.report(LIMITS, OK, latency=0.8)
        place.pass_time(10)
        if pace(place) > 1:
            break
    assert pace(place) == 1.25


def test_answers_that_were_always_slow_do_not_slow_it_down(place: Place) -> None:
    for nth in range(20):
        place.report(LIMITS, OK, latency=5 + nth % 3)
        place.pass_time(1000)
    assert pace(place) == 1


def test_a_turn_that_goes_back_after_the_rate_has_changed_lets_nobody_go_early(
    place: Place,
) -> None:
    limits = replace(LIMITS, burst=2, slots=9)
    first, _, third = (place.granted(limits, max_wait_us=10**8) for _ in range(3))
    place.leave(first, limits, LIMITED)
    place.leave(third, limits, UNUSED)
    assert place.refused(limits, max_wait_us=0).reason is Reason.RATE
