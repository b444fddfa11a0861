"""The breaker's state machine; the clock and chance are arguments."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.gate.breaker import Breaker
from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import LOOK_AGAIN_US, BreakerState, Verdict

SECOND = 1_000_000
NOW = 1000 * SECOND
LIMITS = Limits(rate=1, failures=3, window_s=10, ratio=0.5, open_s=10, open_cap_s=45)
OK, FAILURE, BAN, LIMITED = Verdict.OK, Verdict.FAILURE, Verdict.BAN, Verdict.LIMITED
NEUTRAL, UNUSED = Verdict.NEUTRAL, Verdict.UNUSED
MIDDLE = 0.5


def hear(breaker: Breaker, *verdicts: Verdict, now: int = NOW, holder: str = "a") -> BreakerState:
    for verdict in verdicts:
        if breaker.hear(holder, breaker.epoch, verdict, now, LIMITS):
            breaker.open(now, LIMITS, MIDDLE)
    return breaker.state(now)


def opened(now: int = NOW) -> Breaker:
    breaker = Breaker()
    hear(breaker, FAILURE, FAILURE, FAILURE, now=now)
    return breaker


def half_open() -> tuple[Breaker, int]:
    breaker = opened()
    return breaker, breaker.until


@pytest.mark.parametrize(
    ("verdicts", "state"),
    [
        ([FAILURE] * 2, BreakerState.CLOSED),
        ([FAILURE] * 3, BreakerState.OPEN),
        ([BAN] * 3, BreakerState.OPEN),
        ([FAILURE, BAN, FAILURE], BreakerState.OPEN),
        ([OK] * 4 + [FAILURE] * 3, BreakerState.CLOSED),
        ([OK] * 3 + [FAILURE] * 3, BreakerState.OPEN),
        ([LIMITED] * 4 + [FAILURE] * 3, BreakerState.CLOSED),
        ([LIMITED] * 99, BreakerState.CLOSED),
        ([NEUTRAL, UNUSED] * 50, BreakerState.CLOSED),
        ([NEUTRAL, UNUSED] * 9 + [FAILURE] * 3, BreakerState.OPEN),
    ],
)
def test_so_many_failures_that_are_such_a_part_of_all_open_it(
    verdicts: list[Verdict], state: BreakerState
) -> None:
    assert hear(Breaker(), *verdicts) == state


def test_what_is_older_than_the_window_does_not_count() -> None:
    for later, state in (
        (9 * SECOND, BreakerState.OPEN),
        (10 * SECOND, BreakerState.CLOSED),
        (100 * SECOND, BreakerState.CLOSED),
    ):
        breaker = Breaker()
        hear(breaker, FAILURE, FAILURE)
        assert hear(breaker, FAILURE, now=NOW + later) == state


def test_an_open_one_says_for_how_long() -> None:
    breaker = opened()
    assert breaker.wait("b", NOW, 1) == 10 * SECOND
    assert breaker.wait("b", NOW + 4 * SECOND, 1) == 6 * SECOND
    assert breaker.state(breaker.until - 1) == BreakerState.OPEN
    assert breaker.state(breaker.until) == BreakerState.HALF_OPEN


@pytest.mark.parametrize(("chance", "rest"), [(0.0, 8), (0.5, 10), (1.0, 12)])
def test_chance_makes_it_a_fifth_shorter_or_longer(chance: float, rest: int) -> None:
    breaker = Breaker()
    breaker.open(NOW, LIMITS, chance)
    assert breaker.until == NOW + rest * SECOND


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.0, [16, 32, 36]), (0.5, [20, 40, 45]), (1.0, [24, 45, 45])]
)
def test_each_failed_trial_doubles_the_time_up_to_the_cap(
    chance: float, expected: list[int]
) -> None:
    breaker, now, rests = Breaker(), NOW, []
    breaker.open(now, LIMITS, MIDDLE)
    for _ in range(60):
        now = breaker.until
        breaker.admit("t", now + SECOND, now)
        assert breaker.hear("t", breaker.epoch, FAILURE, now, LIMITS)
        breaker.open(now, LIMITS, chance)
        rests.append((breaker.until - now) // SECOND)
    assert rests == expected + [expected[-1]] * 57


def test_half_open_lets_as_many_try_as_are_wanted() -> None:
    for most in (1, 2, 3):
        breaker, now = half_open()
        for nth in range(most):
            assert breaker.wait(f"t{nth}", now, most) == 0
            assert breaker.admit(f"t{nth}", now + SECOND, now)
        assert breaker.wait("late", now, most) == LOOK_AGAIN_US


def test_while_others_try_one_is_told_when_the_first_of_them_is_given_up() -> None:
    breaker, now = half_open()
    breaker.admit("t1", now + 900, now)
    breaker.admit("t2", now + 700, now)
    assert breaker.wait("late", now, 2) == 700


@pytest.mark.parametrize("verdict", [OK, LIMITED])
def test_a_good_trial_closes_it_in_a_new_epoch(verdict: Verdict) -> None:
    breaker, now = half_open()
    before = breaker.epoch
    breaker.admit("t", now + SECOND, now)
    assert hear(breaker, verdict, now=now, holder="t") == BreakerState.CLOSED
    assert breaker.epoch == before + 1
    assert not breaker.admit("next", now + SECOND, now)


@pytest.mark.parametrize("verdict", [NEUTRAL, UNUSED])
def test_a_trial_that_says_nothing_lets_another_one_try(verdict: Verdict) -> None:
    breaker, now = half_open()
    breaker.admit("t", now + SECOND, now)
    assert hear(breaker, verdict, now=now, holder="t") == BreakerState.HALF_OPEN
    assert breaker.wait("next", now, 1) == 0


def test_a_trial_that_was_not_renewed_is_replaced_and_decides_nothing_any_more() -> None:
    for late in (OK, FAILURE):
        breaker, now = half_open()
        breaker.admit("dead", now + SECOND, now)
        later = now + SECOND
        assert breaker.wait("next", later - 1, 1) == 1
        assert breaker.wait("next", later, 1) == 0
        assert breaker.wait("next", later + 7, 1) == 0
        breaker.admit("next", later + SECOND, later)
        assert hear(breaker, late, now=later, holder="dead") == BreakerState.HALF_OPEN
        assert breaker.wait("third", later, 1) > 0


def test_a_trial_that_was_renewed_lives_on() -> None:
    breaker, now = half_open()
    breaker.admit("t", now + SECOND, now)
    breaker.extend("t", now + 5 * SECOND)
    breaker.extend("nobody", now + 5 * SECOND)
    assert breaker.wait("next", now + 4 * SECOND, 1) > 0
    assert breaker.wait("next", now + 5 * SECOND, 1) == 0


@pytest.mark.parametrize("verdict", list(Verdict))
def test_reports_of_another_epoch_are_not_heard(verdict: Verdict) -> None:
    breaker = Breaker(epoch=7)
    for epoch in (6, 8):
        for _ in range(9):
            assert not breaker.hear("a", epoch, verdict, NOW, LIMITS)
    assert breaker.window == Breaker().window


def test_who_was_let_in_before_it_opened_decides_no_half_open_one() -> None:
    breaker, now = half_open()
    for verdict in (OK, FAILURE):
        assert not breaker.hear("old", 0, verdict, now, LIMITS)
        assert not breaker.hear("no trial", breaker.epoch, verdict, now, LIMITS)
    assert breaker.state(now) == BreakerState.HALF_OPEN


@pytest.mark.parametrize(("after", "rest"), [(10, 20), (10.000001, 10)])
def test_one_that_closed_a_moment_ago_opens_for_longer(after: float, rest: int) -> None:
    breaker, now = half_open()
    breaker.admit("t", now + SECOND, now)
    hear(breaker, OK, now=now, holder="t")
    now += round(after * SECOND)
    assert hear(breaker, FAILURE, FAILURE, FAILURE, now=now) == BreakerState.OPEN
    assert breaker.until == now + rest * SECOND


def test_what_failed_before_it_closed_does_not_open_it_again() -> None:
    breaker, now = Breaker(), NOW
    breaker.open(now, replace(LIMITS, open_s=0.001), MIDDLE)
    now = breaker.until
    breaker.admit("t", now + SECOND, now)
    hear(breaker, OK, now=now, holder="t")
    assert hear(breaker, FAILURE, FAILURE, now=now) == BreakerState.CLOSED


def test_a_window_of_another_length_counts_from_anew() -> None:
    breaker = Breaker()
    hear(breaker, FAILURE, FAILURE)
    other = replace(LIMITS, window_s=60)
    assert not breaker.hear("a", 0, FAILURE, NOW, other)
