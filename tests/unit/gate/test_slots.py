"""Leases and the line; the clock is an argument."""

from __future__ import annotations

from orchestrator.gate.permit import LOOK_AGAIN_US, WAITER_US
from orchestrator.gate.slots import Leases, Line, Slots

NOW = 1_000_000
LEASE = 60_000_000


def taken(*holders: str, ends: int = NOW + LEASE) -> Slots:
    slots = Slots()
    for holder in holders:
        slots.leases.take(holder, ends, NOW)
    return slots


def test_as_many_are_held_as_the_limit_says_and_it_may_change() -> None:
    slots = taken("a", "b")
    assert slots.wait("c", NOW, 2) == LOOK_AGAIN_US
    assert slots.wait("c", NOW, 1) == LOOK_AGAIN_US
    assert slots.wait("c", NOW, 3) == 0
    assert slots.wait("c", NOW, 0) == 0


def test_a_lease_that_ran_out_is_free_and_the_next_to_end_is_told() -> None:
    slots = taken("a", ends=NOW + 900)
    slots.leases.take("b", NOW + 700, NOW)
    assert slots.wait("c", NOW, 2) == 700
    assert slots.wait("c", NOW + 699, 2) == 1
    assert slots.wait("c", NOW + 700, 2) == 0
    assert slots.leases.give_back("a")
    assert not slots.leases.give_back("a")
    assert not slots.leases.give_back("b"), "it was swept away"


def test_one_that_was_given_back_early_is_not_told_as_the_next_to_end() -> None:
    slots = taken("a", ends=NOW + 900)
    slots.leases.take("b", NOW + 700, NOW)
    slots.leases.give_back("b")
    assert slots.wait("c", NOW, 1) == 900


def test_only_what_has_not_run_out_is_renewed_and_never_shortened() -> None:
    leases = Leases()
    leases.take("a", NOW + 500, NOW)
    assert leases.extend("a", NOW + 900, NOW) == NOW + 900
    assert leases.extend("a", NOW + 600, NOW) == NOW + 900
    assert leases.extend("a", NOW + 2000, NOW + 900) == 0
    assert leases.extend("nobody", NOW + 2000, NOW) == 0
    assert leases.live(NOW + 900) == 0


def test_the_dead_do_not_pile_up_where_nothing_is_limited() -> None:
    leases = Leases()
    for nth in range(1000):
        leases.take(str(nth), NOW + nth + 10, NOW + nth)
    assert len(leases.ends) <= 11


def test_who_came_first_goes_first() -> None:
    slots = taken("held")
    for nth, holder in enumerate(["z", "a", "m"]):
        assert slots.line.stand(holder, 0, NOW + nth) == NOW + nth
    slots.leases.give_back("held")
    now = NOW + 10
    assert [slots.wait(holder, now, 1) == 0 for holder in ("z", "a", "m", "new")] == [1, 0, 0, 0]
    assert [slots.wait(holder, now, 2) == 0 for holder in ("z", "a", "m", "new")] == [1, 1, 0, 0]
    assert [slots.wait(holder, now, 4) == 0 for holder in ("z", "a", "m", "new")] == [1, 1, 1, 1]


def test_a_place_is_kept_by_looking_and_lost_by_not_looking() -> None:
    line = Line()
    line.stand("first", 0, NOW)
    line.stand("second", 0, NOW + 1)
    assert line.stand("second", NOW + 1, NOW + WAITER_US - 1) == NOW + 1
    assert line.ahead("second", NOW + WAITER_US - 1) == 1
    assert line.ahead("second", NOW + WAITER_US) == 0
    assert line.first(9, NOW + WAITER_US) == ["second"]


def test_who_was_thought_dead_comes_back_to_his_place() -> None:
    line = Line()
    line.stand("slow", 0, NOW)
    later = NOW + WAITER_US
    line.stand("other", 0, later)
    assert line.first(9, later) == ["other"]
    assert line.stand("slow", NOW, later) == NOW
    assert line.first(9, later) == ["slow", "other"]


def test_nobody_comes_from_the_future() -> None:
    line = Line()
    assert line.stand("a", NOW + 999, NOW) == NOW


def test_as_many_are_called_as_there_are_free_slots_and_never_a_crowd() -> None:
    slots = taken("held")
    for nth in range(40):
        slots.line.stand(f"w{nth:02}", 0, NOW + nth)
    assert slots.next_ones(NOW + 50, 1) == []
    assert slots.next_ones(NOW + 50, 3) == ["w00", "w01"]
    assert len(slots.next_ones(NOW + 50, 1000)) == 16
    assert slots.next_ones(NOW + 50, 0) == []


def test_who_leaves_the_line_is_not_in_the_way() -> None:
    line = Line()
    for nth, holder in enumerate("abc"):
        line.stand(holder, 0, NOW + nth)
    line.leave("b")
    line.leave("nobody")
    assert line.first(9, NOW + 5) == ["a", "c"]
    assert line.ahead("c", NOW + 5) == 1
