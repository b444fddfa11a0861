"""What a proxy may be expected to do."""

from __future__ import annotations

import random
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies.pool.odds import HALF_LIFE_S, Odds, Prior, Tally

NOW = 1_000_000.0
PRIOR = Prior(success=0.6, answer_s=1.0, failure_s=5.0)

counts = st.floats(0, 500)
tallies = st.builds(
    lambda ok, failed, ok_s, failed_s, age: Tally(
        NOW - age, ok, failed, ok * ok_s, failed * failed_s
    ),
    counts,
    counts,
    st.floats(0.01, 60),
    st.floats(0.01, 60),
    st.floats(0, 10 * HALF_LIFE_S),
)


def tally(ok: float = 0, failed: float = 0, *, answer_s: float = 1.0, age: float = 0.0) -> Tally:
    return Tally(NOW - age, ok, failed, ok * answer_s, failed * 5.0)


def odds(
    all_sites: Tally, here: Tally | None = None, *, prior: Prior = PRIOR, check_s: float = 0
) -> Odds:
    return Odds.of(all_sites, all_sites if here is None else here, prior, check_s, NOW)


def test_one_that_nobody_has_used_is_as_the_pool_is() -> None:
    made = odds(tally())

    assert (made.success, made.answer_s, made.loss_s) == pytest.approx((0.6, 1.0, 5.0))


def test_of_what_it_did_elsewhere_half_counts() -> None:
    elsewhere, here = odds(tally(10), tally()), odds(tally(10), tally(10))

    assert PRIOR.success < elsewhere.success < here.success
    assert elsewhere.success == pytest.approx(odds(tally(5), tally(5)).success)


def test_one_that_fails_at_this_site_alone_is_worse_here() -> None:
    both = tally(20, 5)

    assert odds(both, tally(0, 5)).success < odds(both, tally(5, 0)).success


def test_what_was_long_ago_is_forgotten() -> None:
    bad = tally(0, 20)

    assert odds(bad).success < 0.1
    assert odds(bad._replace(at=NOW - 20 * HALF_LIFE_S)).success == pytest.approx(0.6, abs=0.01)


def test_one_that_was_good_for_long_is_doubted_as_soon_as_one_that_was_for_a_while() -> None:
    long, a_while = odds(tally(2000, 2)), odds(tally(38, 2))

    assert long.a + long.b == a_while.a + a_while.b == pytest.approx(40)
    assert long.hope - long.expected_s == pytest.approx(0, abs=1)


def test_the_mean_of_the_pool_counts_proxies_not_requests() -> None:
    good, bad = (tally(1000), 0.0), [(tally(0, 3), 0.0)] * 9

    assert Prior.of([good, *bad]).success < 0.25


def test_the_mean_of_an_unused_pool_is_a_guess() -> None:
    guess = pytest.approx(astuple(Prior()))
    assert astuple(Prior.of([])) == guess
    assert astuple(Prior.of([(Tally(), 0.2)] * 5)) == guess


def test_one_whose_check_was_quick_is_expected_to_be_quick() -> None:
    # Answers take three times what checks do in this pool.
    prior = Prior.of([(tally(5, answer_s=3.0), 1.0), (tally(5, answer_s=1.5), 0.5)])

    assert odds(tally(), prior=prior, check_s=0.2).answer_s == pytest.approx(0.6)
    assert odds(tally(), prior=prior).answer_s == pytest.approx(prior.answer_s)


def test_slow_and_sure_beats_quick_and_seldom() -> None:
    sure, seldom = tally(40, 1, answer_s=3.0), tally(15, 25, answer_s=0.5)

    assert odds(sure).expected_s < odds(seldom).expected_s


@given(tallies, tallies, st.integers(0, 9))
def test_whatever_is_known_gives_odds_that_can_be_drawn_from(
    all_sites: Tally, here: Tally, seed: int
) -> None:
    made = odds(all_sites, here)

    assert 0 < made.success < 1
    assert 0 < made.hope <= made.expected_s
    assert made.draw(random.Random(seed)) > 0


def test_the_better_of_two_is_drawn_more_often_the_more_is_known_and_the_other_still_is() -> None:
    chance = random.Random(1)

    def wins(requests: int) -> int:
        better, worse = (
            odds(tally(requests * 0.9, requests * 0.1)),
            odds(tally(requests * 0.7, requests * 0.3)),
        )
        return sum(better.draw(chance) < worse.draw(chance) for _ in range(2000))

    few, many = wins(5), wins(40)
    assert 1000 < few < many < 2000
