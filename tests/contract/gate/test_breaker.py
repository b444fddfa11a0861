"""Whether a site that fails is left alone, and how it is tried again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.gate.permit import LOOK_AGAIN_US, BreakerState, Reason, Standing, Verdict
from tests.contract.gate.place import (
    BAN,
    FAILURE,
    LIMITED,
    NEUTRAL,
    OK,
    QUICK,
    SECOND,
    UNUSED,
    Place,
)

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
#: Chance is in how long it is open, and some time passes; so much less is told from half as long.
NEARLY = 3.9


def about(rest: float, cap: float = 30) -> object:
    """From a fifth less to a fifth more, and never above the cap."""

    class About(float):
        def __eq__(self, other: object) -> bool:
            most = min(cap, 1.2 * rest) + 0.001
            return isinstance(other, float) and 0.8 * rest - NEARLY <= other <= most

        __hash__ = float.__hash__

    return About(rest)


def state(place: Place) -> BreakerState:
    return place.store.look("books").state


def failed_trial(place: Place) -> Standing:
    place.pass_time(place.store.look("books").rest_s)
    trial = place.granted(QUICK)
    assert trial.trial
    return place.leave(trial, QUICK, FAILURE)


def test_one_that_nobody_used_is_closed(place: Place) -> None:
    assert place.store.look("books") == Standing(CLOSED, 0)
    assert not place.granted(QUICK).trial


@pytest.mark.parametrize("bad", [FAILURE, BAN])
def test_it_opens_after_enough_failures_and_says_for_how_long(place: Place, bad: Verdict) -> None:
    assert place.report(QUICK, *[bad] * 4).state is CLOSED
    standing = place.report(QUICK, bad)
    assert (standing.state, standing.reason) == (OPEN, Reason.BREAKER)
    assert standing.rest_s == about(10)
    assert place.store.look("books").rest_s == about(10)
    refused = place.refused(QUICK)
    assert (refused.reason, refused.since) == (Reason.BREAKER, 0)
    assert refused.wait_s == about(10)


def test_failures_that_are_the_smaller_part_do_not_open_it(place: Place) -> None:
    assert place.report(QUICK, *[OK] * 6, *[FAILURE] * 5).state is CLOSED
    assert place.report(QUICK, FAILURE).state is OPEN


def test_a_site_that_answers_that_it_is_too_much_is_alive(place: Place) -> None:
    assert place.report(QUICK, *[LIMITED] * 6, *[FAILURE] * 5).state is CLOSED
    assert place.report(QUICK, FAILURE).state is OPEN


@pytest.mark.parametrize("verdict", [NEUTRAL, UNUSED])
def test_what_says_nothing_about_the_site_does_not_count(place: Place, verdict: Verdict) -> None:
    assert place.report(QUICK, *[verdict] * 20, *[FAILURE] * 4).state is CLOSED
    assert place.report(QUICK, *[verdict] * 20, FAILURE).state is OPEN


def test_failures_before_the_window_are_forgotten(place: Place) -> None:
    place.report(QUICK, *[FAILURE] * 4)
    place.pass_time(33)
    assert place.report(QUICK, *[FAILURE] * 4).state is CLOSED
    place.pass_time(18)
    assert place.report(QUICK, FAILURE).state is OPEN


def test_what_went_well_may_be_told_all_at_once(place: Place) -> None:
    assert place.store.tally("books", 6, QUICK) == Standing(CLOSED, 0)
    assert place.report(QUICK, *[FAILURE] * 5).state is CLOSED
    assert place.report(QUICK, FAILURE).state is OPEN
    assert place.store.tally("books", 100, QUICK).rest_s == about(10)
    place.pass_time(place.store.look("books").rest_s)
    assert place.store.tally("books", 100, QUICK).state is HALF_OPEN


def test_what_went_well_long_ago_does_not_count(place: Place) -> None:
    place.store.tally("books", 6, QUICK)
    place.pass_time(33)
    assert place.store.tally("books", 0, QUICK).state is CLOSED
    assert place.tripped().state is OPEN


def test_sites_have_breakers_of_their_own(place: Place) -> None:
    place.tripped()
    assert place.store.look("quotes").state is CLOSED
    place.granted(QUICK, site="quotes")


def test_another_process_sees_it_open(place: Place) -> None:
    other = place.hands.another()
    place.tripped()
    assert other.look("books").state is OPEN


def test_when_the_time_is_over_it_is_half_open(place: Place) -> None:
    standing = place.tripped()
    place.pass_time(standing.rest_s)
    found = place.store.look("books")
    assert (found.state, found.rest_s, found.epoch) == (HALF_OPEN, 0, standing.epoch)


def test_half_open_lets_exactly_one_try(place: Place) -> None:
    place.half_open()
    trial = place.granted(QUICK)
    assert trial.trial
    for _ in range(5):
        refused = place.refused(QUICK)
        assert refused.reason is Reason.BREAKER
        assert 0 < refused.wait_s <= LOOK_AGAIN_US / SECOND


@pytest.mark.parametrize("slots", [0, 1, 100])
def test_half_open_lets_as_many_try_as_are_wanted(place: Place, slots: int) -> None:
    place.half_open()
    limits = replace(QUICK, trials=2, slots=max(slots, 2) if slots else 0)
    assert [place.granted(limits).trial for _ in range(2)] == [True, True]
    assert place.refused(limits).reason is Reason.BREAKER


@pytest.mark.parametrize("good", [OK, LIMITED])
def test_a_trial_that_succeeds_closes_it(place: Place, good: Verdict) -> None:
    place.half_open()
    trial = place.granted(QUICK)
    standing = place.leave(trial, QUICK, good)
    assert (standing.state, standing.epoch) == (CLOSED, trial.epoch + 1)
    assert [place.granted(QUICK).trial for _ in range(3)] == [False] * 3


def test_after_it_closed_it_opens_no_earlier_than_before(place: Place) -> None:
    place.half_open()
    place.report(QUICK, OK)
    assert place.report(QUICK, *[FAILURE] * 4).state is CLOSED


def test_each_failed_trial_doubles_the_time_up_to_the_cap(place: Place) -> None:
    place.tripped()
    assert [failed_trial(place).rest_s for _ in range(4)] == [
        about(rest) for rest in (20, 30, 30, 30)
    ]


def test_one_that_closed_a_moment_ago_opens_for_longer(place: Place) -> None:
    limits = replace(QUICK, open_cap_s=300)
    place.half_open(limits)
    place.report(limits, OK)
    assert place.tripped(limits).rest_s == about(20, 300)
    place.pass_time(place.store.look("books").rest_s)
    place.report(limits, OK)
    place.pass_time(limits.window_s + 3)
    assert place.tripped(limits).rest_s == about(10, 300)


@pytest.mark.parametrize("verdict", [NEUTRAL, UNUSED])
def test_a_trial_that_says_nothing_lets_the_next_one_try(place: Place, verdict: Verdict) -> None:
    place.half_open()
    assert place.report(QUICK, verdict).state is HALF_OPEN
    assert place.granted(QUICK).trial


def test_a_trial_whose_answer_was_lost_lets_the_next_one_try(place: Place) -> None:
    place.half_open()
    place.store.quit(place.granted(QUICK).ask, QUICK)
    assert place.granted(QUICK).trial


@pytest.mark.parametrize("slots", [0, 1, 100])
@pytest.mark.parametrize("late", [OK, FAILURE])
def test_the_trial_of_a_dead_holder_frees_itself_and_its_late_report_is_ignored(
    place: Place, late: Verdict, slots: int
) -> None:
    limits = replace(QUICK, slots=slots)
    place.half_open(limits)
    dead = place.granted(limits)
    place.pass_time(limits.lease_s)
    trial = place.granted(limits)
    assert trial.trial
    assert place.leave(dead, limits, late).state is HALF_OPEN
    assert place.refused(limits).reason is Reason.BREAKER
    assert place.leave(trial, limits, OK).state is CLOSED


@pytest.mark.parametrize("slots", [0, 1, 100])
def test_a_trial_that_is_renewed_lasts(place: Place, slots: int) -> None:
    limits = replace(QUICK, slots=slots)
    place.half_open(limits)
    trial = place.granted(limits)
    for _ in range(3):
        place.pass_time(50)
        assert place.store.renew([trial], lambda _: limits) == []
    assert place.refused(limits).reason is Reason.BREAKER
    assert place.leave(trial, limits, OK).state is CLOSED


def test_who_was_granted_before_it_opened_decides_nothing_afterwards(place: Place) -> None:
    old = [place.granted(QUICK) for _ in range(10)]
    standing = place.tripped()
    assert place.leave(old.pop(), QUICK, FAILURE).rest_s == about(10)
    assert place.leave(old.pop(), QUICK, OK).state is OPEN
    place.pass_time(standing.rest_s)
    assert place.leave(old.pop(), QUICK, OK).state is HALF_OPEN
    assert place.leave(old.pop(), QUICK, FAILURE).state is HALF_OPEN
    place.report(QUICK, OK)
    for grant in old:
        assert place.leave(grant, QUICK, FAILURE).state is CLOSED


def test_of_two_trials_the_first_to_report_decides(place: Place) -> None:
    limits = replace(QUICK, trials=2)
    place.half_open(limits)
    first, second = place.granted(limits), place.granted(limits)
    assert place.leave(first, limits, OK).state is CLOSED
    for _ in range(5):
        assert place.leave(second, limits, FAILURE).state is CLOSED


def test_a_trial_of_before_it_opened_again_takes_nobodys_place(place: Place) -> None:
    limits = replace(QUICK, trials=2)
    place.half_open(limits)
    first, second = place.granted(limits), place.granted(limits)
    place.pass_time(place.leave(first, limits, FAILURE).rest_s)
    assert [place.granted(limits).trial for _ in range(2)] == [True, True]
    assert place.leave(second, limits, OK).state is HALF_OPEN


@pytest.mark.parametrize("late", [OK, FAILURE])
def test_a_trial_that_was_given_up_decides_nothing(place: Place, late: Verdict) -> None:
    place.half_open()
    trial = place.granted(QUICK)
    place.store.quit(trial.ask, QUICK)
    assert place.leave(trial, QUICK, late).state is HALF_OPEN


def test_epochs_grow(place: Place) -> None:
    epochs = [place.store.look("books").epoch]
    for _ in range(2):
        epochs.append(place.tripped().epoch)
        epochs.append(failed_trial(place).epoch)
        place.pass_time(place.store.look("books").rest_s)
        epochs.append(place.report(QUICK, OK).epoch)
    assert epochs == list(range(7))


def test_a_pause_does_not_hide_that_it_is_open(place: Place) -> None:
    place.tripped()
    place.store.pause("books", 1000)
    standing = place.store.look("books")
    assert (standing.state, standing.reason, standing.rest_s) == (OPEN, Reason.BREAKER, about(10))
    place.pass_time(standing.rest_s)
    assert place.refused(QUICK).reason is Reason.PAUSE
