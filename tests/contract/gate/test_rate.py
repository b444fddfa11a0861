"""When the next request may go: turns, bursts, hosts, what is given back, and pauses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator.gate.permit import BreakerState, Grant, Reason, Refused
from tests.contract.gate.place import LIMITED, OK, QUICK, SECOND, SLOW, UNUSED, Place


def test_requests_are_spaced_evenly_by_booking_ahead(place: Place) -> None:
    waits = place.waits(SLOW, 4)
    assert waits == place.left(0, 10, 20, 30)
    assert waits == sorted(waits)


def test_booked_points_in_time_are_exactly_one_interval_apart(place: Place) -> None:
    dues = [place.granted(SLOW).due for _ in range(4)]
    assert [due - dues[0] for due in dues] == [0, 10 * SECOND, 20 * SECOND, 30 * SECOND]


def test_a_grant_says_in_how_long_what_it_booked_is_due(place: Place) -> None:
    before = place.hands.now()
    first, second = place.granted(SLOW), place.granted(SLOW)
    assert before <= first.due <= place.hands.now()
    assert first.wait_us == 0
    assert first.due <= second.due - second.wait_us <= place.hands.now()


def test_a_wait_that_is_too_long_is_refused_and_said(place: Place) -> None:
    place.granted(SLOW)
    refused = place.refused(SLOW, max_wait_us=SECOND)
    assert refused == Refused(Reason.RATE, place.left(10)[0])
    place.granted(SLOW, max_wait_us=10 * SECOND)


def test_who_comes_when_he_was_told_may_go(place: Place) -> None:
    place.granted(SLOW)
    place.pass_time(place.refused(SLOW, max_wait_us=0).wait_s)
    place.granted(SLOW, max_wait_us=0)
    place.refused(SLOW, max_wait_us=0)


def test_a_burst_goes_at_once_and_then_evenly(place: Place) -> None:
    limits = replace(SLOW, burst=3)
    assert place.waits(limits, 5) == place.left(0, 0, 0, 10, 20)
    place.pass_time(1000)
    assert place.waits(limits, 5) == place.left(0, 0, 0, 10, 20)


def test_a_rate_that_changes_holds_from_the_next_request_on(place: Place) -> None:
    place.granted(SLOW)
    assert place.waits(replace(SLOW, rate=1), 3) == place.left(10, 11, 12)


def test_sites_do_not_share_a_gate(place: Place) -> None:
    place.granted(SLOW)
    assert place.granted(SLOW, site="quotes").wait_us == 0


def test_processes_share_a_gate(place: Place) -> None:
    other = Place(place.hands)
    other.store = place.hands.another()
    place.granted(SLOW)
    assert other.waits(SLOW, 1) == place.left(10)
    assert place.waits(SLOW, 1) == place.left(20)


def test_without_a_rate_all_go_at_once(place: Place) -> None:
    limits = replace(SLOW, rate=0)
    assert place.waits(limits, 50) == [0] * 50
    place.leave(place.granted(limits), limits, LIMITED)
    assert place.waits(limits, 5) == [0] * 5
    place.store.pause("books", 30)
    assert place.waits(limits, 3) == place.left(30, 30, 30)


def test_without_a_rate_of_the_site_a_host_may_have_one(place: Place) -> None:
    limits = replace(SLOW, rate=0, host_rate=0.1)
    place.granted(limits, host="a")
    assert place.refused(limits, host="a") == Refused(Reason.RATE, place.left(10)[0])
    assert place.granted(limits, host="b").wait_us == 0


# Hosts

BY_HOST = replace(SLOW, rate=1, host_rate=0.1)


def test_a_host_has_a_rate_of_its_own(place: Place) -> None:
    place.granted(BY_HOST, host="a", max_wait_us=0)
    refused = place.refused(BY_HOST, host="a", max_wait_us=0)
    assert refused == Refused(Reason.RATE, place.left(10)[0])
    assert place.waits(BY_HOST, 1, host="b") == place.left(1)
    place.pass_time(10)
    place.granted(BY_HOST, host="a", max_wait_us=0)


def test_a_host_has_a_burst_of_its_own(place: Place) -> None:
    limits = replace(QUICK, host_rate=0.1, host_burst=2)
    place.granted(limits, host="a", max_wait_us=SECOND)
    place.granted(limits, host="a", max_wait_us=SECOND)
    assert place.refused(limits, host="a").wait_s == place.left(10)[0]


def test_who_waits_for_a_busy_host_does_not_hold_up_the_line_of_the_site(place: Place) -> None:
    place.granted(BY_HOST, host="hot")
    refused = place.refused(BY_HOST, host="hot", max_wait_us=60 * SECOND)
    assert refused == Refused(Reason.RATE, place.left(10)[0])
    assert place.waits(BY_HOST, 1, host="b") == place.left(1)


def test_what_a_host_lets_go_soon_is_booked_for_both(place: Place) -> None:
    limits = replace(SLOW, rate=0.1, host_rate=1 / 18)
    place.granted(limits, host="a")
    assert place.waits(limits, 1, host="a") == place.left(18)
    assert place.waits(limits, 1, host="b") == place.left(28)


def test_a_wait_for_a_host_must_fit_too(place: Place) -> None:
    limits = replace(SLOW, rate=0.1, host_rate=1 / 18)
    place.granted(limits, host="a")
    refused = place.refused(limits, host="a", max_wait_us=5 * SECOND)
    assert refused == Refused(Reason.RATE, place.left(18)[0])


# Turns that were not used


def test_a_turn_that_was_not_used_goes_to_the_next_one(place: Place) -> None:
    first, second = place.granted(SLOW), place.granted(SLOW)
    place.leave(second, SLOW, UNUSED)
    assert place.granted(SLOW).due == second.due
    assert first.due == second.due - 10 * SECOND


def test_a_turn_with_others_booked_behind_it_is_lost(place: Place) -> None:
    place.granted(SLOW)
    second, third = place.granted(SLOW), place.granted(SLOW)
    place.leave(second, SLOW, UNUSED)
    assert place.granted(SLOW).due == third.due + 10 * SECOND


def test_a_turn_is_given_back_once(place: Place) -> None:
    """What is reported twice, because the first answer was lost, takes nobody's turn."""
    place.granted(SLOW)
    unused = place.granted(SLOW)
    place.leave(unused, SLOW, UNUSED)
    other = place.granted(SLOW)
    place.leave(unused, SLOW, UNUSED)
    assert place.granted(SLOW).due == other.due + 10 * SECOND


def test_the_turn_at_a_host_is_given_back_too(place: Place) -> None:
    limits = replace(QUICK, host_rate=0.1)
    place.leave(place.granted(limits, host="a"), limits, UNUSED)
    place.granted(limits, host="a", max_wait_us=SECOND)


def test_several_that_were_not_used_cost_nobody_anything(place: Place) -> None:
    first, second, third = (place.granted(SLOW) for _ in range(3))
    for unused in (third, second):
        place.leave(unused, SLOW, UNUSED)
    assert place.granted(SLOW).due == second.due
    assert first.due < second.due


@pytest.mark.parametrize("verdict", [OK, LIMITED])
def test_a_turn_that_was_used_is_not_given_back(place: Place, verdict: str) -> None:
    limits = replace(SLOW, adaptive=False)
    place.report(limits, OK)
    assert place.waits(limits, 1) == place.left(10)


# Pauses


@pytest.mark.parametrize("verdict", ["ok", "failure", "limited", "ban", "neutral", "unused"])
def test_retry_after_keeps_everybody_out_in_full(place: Place, verdict: str) -> None:
    limits = replace(QUICK, burst=50)
    grant = place.granted(limits)
    standing = place.leave(grant, limits, type(OK)(verdict), retry_after=120)
    assert standing.state is BreakerState.CLOSED
    assert (standing.reason, standing.rest_s) == (Reason.PAUSE, place.left(120)[0])
    expected = Refused(Reason.PAUSE, place.left(120)[0])
    assert place.refused(limits, max_wait_us=60 * SECOND) == expected
    assert place.waits(limits, 1, max_wait_us=130 * SECOND) == place.left(120)


def test_a_shorter_pause_does_not_end_a_longer_one(place: Place) -> None:
    first, second = place.granted(QUICK), place.granted(QUICK)
    place.leave(first, QUICK, LIMITED, retry_after=120)
    place.leave(second, QUICK, LIMITED, retry_after=5)
    assert place.refused(QUICK).wait_s == place.left(120)[0]


def test_a_pause_ends(place: Place) -> None:
    place.leave(place.granted(QUICK), QUICK, OK, retry_after=120)
    place.pass_time(120)
    assert place.store.look("books").reason is None
    place.granted(QUICK, max_wait_us=SECOND)


def test_what_is_longer_is_said_pause_or_rate(place: Place) -> None:
    place.leave(place.granted(SLOW), SLOW, OK, retry_after=5)
    assert place.refused(SLOW, max_wait_us=0).reason is Reason.RATE
    place.store.pause("books", 15)
    assert place.refused(SLOW, max_wait_us=0) == Refused(Reason.PAUSE, place.left(15)[0])


def test_after_a_pause_requests_are_spaced_as_ever(place: Place) -> None:
    place.store.pause("books", 30)
    assert place.waits(SLOW, 3) == place.left(30, 40, 50)


def test_a_pause_by_hand_needs_no_request(place: Place) -> None:
    place.store.pause("books", 30)
    standing = place.store.look("books")
    assert (standing.reason, standing.rest_s) == (Reason.PAUSE, place.left(30)[0])
    assert place.store.look("quotes").reason is None


def test_a_pause_outlasts_the_memory(place: Place) -> None:
    days = 3 * 86_400
    place.leave(place.granted(SLOW), SLOW, LIMITED, retry_after=days)
    refused = place.refused(SLOW)
    assert [refused.wait_s] == place.left(days)


# Fences


def test_fences_grow_also_when_all_was_forgotten(place: Place) -> None:
    fences = []
    for nth in range(12):
        grant = place.enter(SLOW, max_wait_us=1000 * SECOND)
        assert isinstance(grant, Grant)
        fences.append(grant.fence)
        if nth == 6:
            place.hands.forget_all()
    assert fences == sorted(set(fences))


def test_holders_are_never_named_twice(place: Place) -> None:
    stores = [place.store, place.hands.another()]
    names = [store.holder("h.example") for store in stores * 100]
    assert len(set(names)) == 200
    assert all(name.endswith(" h.example") and name.count(" ") == 2 for name in names)
