"""All three in one decision: their order, and what a refusal leaves behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.gate.permit import BreakerState, Reason
from tests.contract.gate.place import LIMITED, OK, QUICK, SLOW, Place

NARROW = replace(SLOW, slots=1, failures=3)


def test_the_breaker_goes_before_the_slots_and_those_before_the_rate(place: Place) -> None:
    held = place.granted(NARROW)
    assert place.refused(NARROW, max_wait_us=0).reason is Reason.SLOT
    place.tripped(replace(QUICK, failures=3))
    assert place.refused(NARROW, max_wait_us=0).reason is Reason.BREAKER
    assert place.leave(held, NARROW).state is BreakerState.OPEN


@pytest.mark.parametrize("by_host", [False, True])
def test_a_refusal_writes_nothing(place: Place, by_host: bool) -> None:
    slow, narrow = SLOW, replace(QUICK, slots=1)
    if by_host:
        slow, narrow = (replace(limits, host_rate=0.1, host_slots=1) for limits in (slow, narrow))
    place.granted(slow)
    before = place.hands.picture()
    assert place.refused(slow, host="other", max_wait_us=0).reason is Reason.RATE
    assert place.refused(narrow).reason is Reason.SLOT
    if by_host:
        assert place.refused(replace(slow, slots=9), max_wait_us=0).reason is Reason.SLOT
        assert place.refused(replace(slow, host_slots=9), max_wait_us=0).reason is Reason.RATE
    assert place.hands.picture() == before

    place.store.pause("books", 100)
    before = place.hands.picture()
    assert place.refused(slow, host="third").reason is Reason.PAUSE
    assert place.hands.picture() == before


@pytest.mark.parametrize("trying", [False, True])
def test_a_refusal_of_the_breaker_writes_nothing(place: Place, trying: bool) -> None:
    place.tripped()
    if trying:
        place.pass_time(place.store.look("books").rest_s)
        place.granted(QUICK)
    before = place.hands.picture()
    for limits in (QUICK, replace(QUICK, host_rate=1, host_slots=1)):
        assert place.refused(limits).reason is Reason.BREAKER
        assert place.refused(limits, queues=True).reason is Reason.BREAKER
    assert place.hands.picture() == before


def test_a_slot_that_is_missing_costs_no_turn(place: Place) -> None:
    first = place.granted(NARROW)
    for _ in range(5):
        assert place.refused(NARROW).reason is Reason.SLOT
    place.leave(first, NARROW)
    assert place.waits(NARROW, 1) == place.left(10)


def test_a_turn_that_is_too_far_off_costs_no_slot(place: Place) -> None:
    limits = replace(SLOW, slots=2)
    place.granted(limits)
    for _ in range(5):
        assert place.refused(limits, max_wait_us=0).reason is Reason.RATE
    place.granted(limits)


def test_a_turn_that_is_too_far_off_costs_no_trial(place: Place) -> None:
    limits = replace(QUICK, failures=2)
    place.half_open(limits)
    place.store.pause("books", 100)
    for _ in range(3):
        assert place.refused(limits, max_wait_us=0).reason is Reason.PAUSE
    place.pass_time(100)
    assert place.granted(limits).trial


def test_one_report_says_all_it_knows(place: Place) -> None:
    limits = replace(SLOW, slots=1, host_slots=1)
    held = place.granted(limits)
    standing = place.leave(held, limits, LIMITED, latency=0.2, retry_after=50)
    assert (standing.state, standing.reason) == (BreakerState.CLOSED, Reason.PAUSE)
    place.pass_time(50)
    place.leave(place.granted(limits), limits, OK, latency=0.2)
    assert place.waits(limits, 1) == place.left(20), "half as fast"
