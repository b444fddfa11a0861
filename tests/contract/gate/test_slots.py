"""How many requests are under way at once: leases."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.gate.permit import LOOK_AGAIN_US, Grant, Reason
from tests.contract.gate.place import NEUTRAL, OK, QUICK, SECOND, SLOW, Place

NARROW = replace(QUICK, slots=2)
ONE = replace(QUICK, slots=1)
UNLIMITED = replace(QUICK, slots=0)


def test_no_more_are_under_way_than_there_are_slots(place: Place) -> None:
    first, _ = place.granted(NARROW), place.granted(NARROW, host="other.example")
    refused = place.refused(NARROW)
    assert refused.reason is Reason.SLOT
    assert 0 < refused.wait_s <= LOOK_AGAIN_US / SECOND
    place.leave(first, NARROW, OK)
    place.granted(NARROW)
    place.refused(NARROW)


def test_a_limit_may_change_at_any_time(place: Place) -> None:
    held = [place.granted(NARROW) for _ in range(2)]
    more = replace(NARROW, slots=3)
    held.append(place.granted(more))
    assert place.refused(more).reason is Reason.SLOT
    for grant in held[:2]:
        place.leave(grant, ONE)
        assert place.refused(ONE).reason is Reason.SLOT or grant is held[1]
    place.leave(held[2], ONE)
    place.granted(ONE)


def test_without_a_limit_any_number_are_under_way(place: Place) -> None:
    grants = [place.granted(UNLIMITED) for _ in range(200)]
    for grant in grants:
        place.leave(grant, UNLIMITED)


def test_sites_have_slots_of_their_own(place: Place) -> None:
    place.granted(ONE)
    place.granted(ONE, site="quotes")


def test_processes_share_the_slots(place: Place) -> None:
    other = Place(place.hands)
    other.store = place.hands.another()
    held = place.granted(ONE)
    assert other.refused(ONE).reason is Reason.SLOT
    other.leave(held, ONE)
    place.granted(ONE)


def test_a_host_has_slots_of_its_own(place: Place) -> None:
    limits = replace(QUICK, slots=3, host_slots=1)
    of_a = place.granted(limits, host="a")
    assert place.refused(limits, host="a").reason is Reason.SLOT
    place.granted(limits, host="b")
    place.leave(of_a, limits)
    place.granted(limits, host="a")
    place.granted(limits, host="c")
    assert place.refused(limits, host="d").reason is Reason.SLOT


def test_only_hosts_may_be_limited(place: Place) -> None:
    limits = replace(UNLIMITED, host_slots=1)
    held = place.granted(limits, host="a")
    assert place.refused(limits, host="a").reason is Reason.SLOT
    place.granted(limits, host="b")
    place.pass_time(50)
    assert place.store.renew([held], lambda _: limits) == []
    place.pass_time(50)
    assert place.refused(limits, host="a").reason is Reason.SLOT
    place.leave(held, limits)
    place.granted(limits, host="a")


# Leases


def test_the_slot_of_a_dead_holder_comes_back_by_itself(place: Place) -> None:
    dead = place.granted(ONE)
    place.pass_time(ONE.lease_s - 20)
    place.refused(ONE)
    place.pass_time(20)
    place.granted(ONE)
    place.leave(dead, ONE, NEUTRAL)  # it was only slow, and frees nobody else's slot
    place.refused(ONE)


def test_the_slot_of_a_dead_holder_at_a_host_comes_back_by_itself(place: Place) -> None:
    limits = replace(QUICK, host_slots=1)
    place.granted(limits)
    place.refused(limits)
    place.pass_time(limits.lease_s)
    place.granted(limits)


def test_it_is_said_when_a_lease_ends_sooner_than_one_would_look_again(place: Place) -> None:
    limits = replace(ONE, lease_s=1000)
    place.granted(limits)
    assert place.refused(limits).wait_s == LOOK_AGAIN_US / SECOND
    place.pass_time(999.98)
    answer = place.enter(limits)  # granted, if the machine stood still meanwhile
    assert isinstance(answer, Grant) or 0 < answer.wait_s <= 0.02


def test_a_lease_begins_when_the_request_is_due(place: Place) -> None:
    limits = replace(SLOW, slots=2, lease_s=60)
    place.granted(limits)
    place.granted(limits)  # due in 10 s
    place.pass_time(60)
    place.granted(limits, max_wait_us=0)
    place.refused(limits)
    place.pass_time(10)
    place.granted(limits)


def test_a_lease_that_is_renewed_lasts_and_one_that_ran_out_is_not_revived(place: Place) -> None:
    limits = replace(NARROW, lease_s=60)
    kept, lost = place.granted(limits), place.granted(limits)
    place.pass_time(50)
    assert place.store.renew([kept], lambda _: limits) == []
    place.pass_time(10.1)
    assert place.store.renew([lost, kept], lambda _: limits) == [lost]
    place.pass_time(50)
    place.granted(limits)
    place.refused(limits)


def test_renewing_does_not_shorten_what_was_booked_further_ahead(place: Place) -> None:
    limits = replace(SLOW, slots=2, lease_s=30)
    place.granted(limits, max_wait_us=0)
    ahead = place.granted(limits)  # due in 10 s: until 40
    assert place.store.renew([ahead], lambda _: limits) == []
    place.pass_time(35)
    place.granted(limits)
    place.refused(limits)


def test_leases_of_many_sites_and_hosts_are_renewed_in_one_call(place: Place) -> None:
    limits = {"books": replace(NARROW, host_slots=1), "quotes": ONE}
    held = [
        place.granted(limits["books"], host="a"),
        place.granted(limits["books"], host="b"),
        place.granted(limits["quotes"], site="quotes"),
    ]
    place.pass_time(50)
    assert place.store.renew(held, limits.__getitem__) == []
    place.pass_time(50)
    assert place.refused(limits["books"], host="c").reason is Reason.SLOT
    assert place.refused(limits["quotes"], site="quotes").reason is Reason.SLOT
    place.leave(held[0], limits["books"])
    assert place.refused(limits["books"], host="b").reason is Reason.SLOT
    place.pass_time(10.1)
    assert place.store.renew(held, limits.__getitem__) == held


def test_what_was_given_back_is_not_renewed(place: Place) -> None:
    held = place.granted(ONE)
    place.leave(held, ONE)
    assert place.store.renew([held], lambda _: ONE) == [held]
    place.granted(ONE)


def test_where_nothing_is_limited_nothing_is_lost(place: Place) -> None:
    held = place.granted(UNLIMITED)
    place.pass_time(50)
    assert place.store.renew([held], lambda _: UNLIMITED) == []


# Giving up


def test_quitting_frees_what_was_granted_though_the_answer_was_lost(place: Place) -> None:
    limits = replace(ONE, host_slots=1)
    lost = place.granted(limits).ask
    place.refused(limits)
    place.store.quit(lost, limits)
    place.granted(limits)
    place.store.quit(lost, limits)
    place.refused(limits)


def test_who_asks_twice_has_one_slot(place: Place) -> None:
    """The first answer was lost on its way."""
    ask = place.ask()
    place.granted(ONE, ask)
    again = place.granted(ONE, ask)
    assert place.refused(ONE).reason is Reason.SLOT
    place.leave(again, ONE)
    place.granted(ONE)


def test_who_leaves_twice_frees_one_slot(place: Place) -> None:
    first, _ = place.granted(NARROW), place.granted(NARROW)
    place.leave(first, NARROW)
    place.granted(NARROW)
    place.leave(first, NARROW)
    place.refused(NARROW)
