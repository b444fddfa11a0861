"""Whoever waits for a slot: who is next, and how he hears of it."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial

import pytest

from orchestrator.gate.permit import WAITER_US, Ask, Reason, Refused, Verdict
from orchestrator.gate.shared import RedisStore
from tests.contract.gate.place import FAILURE, NEUTRAL, OK, QUICK, SECOND, SLOW, Place

ONE = replace(QUICK, slots=1)
NARROW = replace(QUICK, slots=2)
WAITER_S = WAITER_US / SECOND


class Called:
    """Counts the calls of some who wait."""

    def __init__(self, place: Place, *asks: Ask) -> None:
        self.names: list[Ask] = []
        self._came = threading.Condition()
        self.ends = [place.store.on_call(ask, partial(self._call, ask)) for ask in asks]
        if isinstance(place.store, RedisStore):  # who waits goes on without being heard soon
            assert place.store._calls._heard.wait(30)

    def _call(self, ask: Ask) -> None:
        with self._came:
            self.names.append(ask)
            self._came.notify_all()

    def come(self, *asks: Ask) -> bool:
        """Wait for these, and tell whether these alone came, in any order."""
        with self._came:
            self._came.wait_for(lambda: len(self.names) >= len(asks), 30)
            names, self.names = self.names, []
        return sorted(names, key=id) == sorted(asks, key=id)


def test_who_came_first_goes_first(place: Place) -> None:
    held = place.granted(ONE)
    line = [place.in_line(ONE) for _ in range(3)]
    assert [place.refused(ONE, ask).since for ask in line] == [ask.since for ask in line]
    assert [ask.since for ask in line] == sorted(ask.since for ask in line)
    place.leave(held, ONE)
    for nth, ask in enumerate(line):
        for later in line[nth + 1 :]:
            assert place.refused(ONE, later).reason is Reason.SLOT
        place.leave(place.granted(ONE, ask), ONE)


def test_nobody_overtakes_those_who_wait(place: Place) -> None:
    held = place.granted(ONE)
    waiting = place.in_line(ONE)
    place.leave(held, ONE)
    assert place.refused(ONE).reason is Reason.SLOT
    place.granted(ONE, waiting)


def test_as_many_may_go_as_there_are_free_slots(place: Place) -> None:
    held = [place.granted(NARROW) for _ in range(2)]
    first, second, third = (place.in_line(NARROW) for _ in range(3))
    for grant in held:
        place.leave(grant, NARROW)
    place.refused(NARROW, third)
    place.granted(NARROW, second)
    place.refused(NARROW, third)
    place.granted(NARROW, first)
    place.refused(NARROW, third)


def test_with_a_slot_for_each_of_them_and_one_more_a_newcomer_may_go(place: Place) -> None:
    held = place.granted(ONE)
    waiting = place.in_line(ONE)
    more = replace(ONE, slots=3)
    place.granted(more)
    place.refused(more)
    place.granted(more, waiting)
    place.leave(held, more)
    place.granted(more)


def test_who_does_not_queue_has_no_place(place: Place) -> None:
    held = place.granted(ONE)
    assert place.refused(ONE).since == 0
    place.leave(held, ONE)
    place.granted(ONE)


def test_who_has_not_looked_for_a_while_is_dead_and_in_nobodys_way(place: Place) -> None:
    held = place.granted(ONE)
    dead, alive = place.in_line(ONE), place.in_line(ONE)
    place.pass_time(WAITER_S / 2)
    place.refused(ONE, alive)
    place.leave(held, ONE)
    place.refused(ONE, alive)
    place.pass_time(WAITER_S / 2)
    place.leave(place.granted(ONE, alive), ONE)
    place.granted(ONE, dead)


def test_who_was_thought_dead_comes_back_to_his_place(place: Place) -> None:
    held = place.granted(ONE)
    slow = place.in_line(ONE)
    place.pass_time(2 * WAITER_S)
    other = place.in_line(ONE)
    slow = slow._replace(since=place.refused(ONE, slow).since)
    place.leave(held, ONE)
    place.refused(ONE, other)
    place.granted(ONE, slow)


def test_who_gives_up_is_in_nobodys_way(place: Place) -> None:
    held = place.granted(ONE)
    gone, waiting = place.in_line(ONE), place.in_line(ONE)
    place.store.quit(gone, ONE)
    place.leave(held, ONE)
    place.granted(ONE, waiting)


def test_who_was_granted_a_slot_left_the_line(place: Place) -> None:
    held = place.granted(ONE)
    place.leave(held, ONE)
    held = place.granted(ONE)
    waiting = place.in_line(ONE)
    place.leave(held, ONE)
    place.leave(place.granted(ONE, waiting), ONE)
    place.granted(ONE)


def test_who_was_granted_a_slot_and_did_not_know_his_place_left_the_line(place: Place) -> None:
    """The answer that told it was lost on its way."""
    held = place.granted(ONE)
    waiting = place.in_line(ONE)._replace(since=0)
    place.leave(held, ONE)
    place.leave(place.granted(ONE, waiting), ONE)
    place.granted(ONE)


def test_who_is_refused_for_another_reason_left_the_line(place: Place) -> None:
    limits = replace(SLOW, slots=1)
    held = place.granted(limits)
    waiting = place.in_line(limits)._replace(max_wait_us=0)
    place.leave(held, limits)
    assert place.refused(limits, waiting).reason is Reason.RATE
    place.granted(limits)


def test_an_open_breaker_sends_the_line_home(place: Place) -> None:
    limits = replace(ONE, failures=1)
    held = place.granted(limits)
    waiting = place.in_line(limits)
    rest = place.leave(held, limits, FAILURE).rest_s
    assert place.refused(limits, waiting).reason is Reason.BREAKER
    place.pass_time(rest)
    place.granted(limits)


# Hosts

BY_HOST = replace(QUICK, slots=2, host_slots=1)


def test_each_host_has_a_line_of_its_own(place: Place) -> None:
    of_a = place.granted(BY_HOST, host="a")
    waiting = place.in_line(BY_HOST, host="a")
    of_b = place.granted(BY_HOST, host="b")  # nobody waits for b, nor for the site
    place.leave(of_a, BY_HOST)
    place.refused(BY_HOST, host="a")
    place.granted(BY_HOST, waiting)
    place.leave(of_b, BY_HOST)


def test_who_waited_for_a_host_keeps_his_place_when_he_waits_for_the_site(place: Place) -> None:
    of_a = place.granted(BY_HOST, host="a")
    patient = place.in_line(BY_HOST, host="a")
    place.granted(BY_HOST, host="b")
    late = place.in_line(BY_HOST, host="c")
    patient = patient._replace(since=place.refused(BY_HOST, patient).since)
    place.leave(of_a, BY_HOST)
    place.refused(BY_HOST, late)
    place.granted(BY_HOST, patient)


def test_who_waits_for_his_host_is_in_nobodys_way_at_the_site(place: Place) -> None:
    place.granted(BY_HOST, host="a")
    of_b = place.granted(BY_HOST, host="b")
    waiting = place.in_line(BY_HOST, host="a")
    place.leave(of_b, BY_HOST)
    place.refused(BY_HOST, waiting)  # there is a slot of the site now, and none of the host
    place.granted(BY_HOST, host="c")


def test_who_waits_for_the_site_is_in_nobodys_way_at_his_host(place: Place) -> None:
    limits = replace(BY_HOST, slots=3)
    of_a = place.granted(limits, host="a")
    others = [place.granted(limits, host=name) for name in "bc"]
    first = place.in_line(limits, host="a")
    for other in others:
        place.leave(other, limits)
    second = place.in_line(limits, host="a")  # for the host
    place.granted(limits, host="d")
    place.refused(limits, second)  # for the site, behind the first one
    place.leave(of_a, limits)
    place.granted(limits, first)


# Calls


def test_the_first_in_line_is_called_when_a_slot_is_free(place: Place) -> None:
    held = place.granted(ONE)
    first, second = place.in_line(ONE), place.in_line(ONE)
    called = Called(place, first, second)
    place.leave(held, ONE)
    assert called.come(first)
    place.leave(place.granted(ONE, first), ONE)
    assert called.come(second)


def test_who_gives_up_what_was_granted_calls_the_next_one(place: Place) -> None:
    held = place.granted(ONE)
    first, second = place.in_line(ONE), place.in_line(ONE)
    called = Called(place, first, second)
    place.store.quit(held.ask, ONE)
    assert called.come(first)
    place.store.quit(first, ONE)
    assert called.come(second)


def test_as_many_are_called_as_there_are_slots(place: Place) -> None:
    held = [place.granted(NARROW) for _ in range(2)]
    line = [place.in_line(NARROW) for _ in range(4)]
    called = Called(place, *line)
    place.leave(held[0], NARROW)
    assert called.come(line[0])
    place.leave(held[1], replace(NARROW, slots=3))
    assert called.come(*line[:3])


def test_whoever_waits_for_a_host_is_called_when_it_has_a_slot(place: Place) -> None:
    held = place.granted(BY_HOST, host="a")
    of_a = place.in_line(BY_HOST, host="a")
    called = Called(place, of_a)
    place.leave(held, BY_HOST)
    assert called.come(of_a)


def test_a_call_comes_to_who_waits_in_another_process(place: Place) -> None:
    other = Place(place.hands)
    other.store = place.hands.another()
    held = place.granted(ONE)
    waiting = other.in_line(ONE)
    called = Called(other, waiting)
    place.leave(held, ONE)
    assert called.come(waiting)


def test_who_no_longer_listens_is_not_called(place: Place) -> None:
    held = place.granted(NARROW)
    other = place.granted(NARROW)
    deaf, waiting = place.in_line(NARROW), place.in_line(NARROW)
    called = Called(place, deaf, waiting)
    called.ends[0]()
    place.leave(held, NARROW)
    place.leave(other, NARROW)
    assert called.come(waiting)


def test_a_wait_in_line_is_told_like_any_other(place: Place) -> None:
    place.granted(ONE)
    waiting = place.ask(queues=True)
    before = place.hands.now()
    answer = place.refused(ONE, waiting)
    assert answer == Refused(Reason.SLOT, answer.wait_s, answer.since)
    assert 0 < answer.wait_s <= 0.05
    assert before <= answer.since <= place.hands.now()


@pytest.mark.parametrize("verdict", [OK, NEUTRAL])
def test_the_dead_are_not_called(place: Place, verdict: Verdict) -> None:
    held = place.granted(ONE)
    dead, alive = place.in_line(ONE), place.in_line(ONE)
    called = Called(place, dead, alive)
    place.pass_time(0.6 * WAITER_S)
    place.refused(ONE, alive)
    place.pass_time(0.6 * WAITER_S)
    place.leave(held, ONE, verdict)
    assert called.come(alive)
