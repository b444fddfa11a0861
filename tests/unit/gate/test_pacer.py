"""What a busy machine lets go late keeps its distance all the same."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from orchestrator.gate.gate import Gate
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.pacer import Pacer
from orchestrator.gate.passage import Permit
from tests.support.fake_clock import FakeClock

RATE, INTERVAL_S = 10, 0.1


class Set(FakeClock):
    """Goes on only when it is set; who waits for a condition, waits for that."""

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        del seconds
        condition.wait()


def went(clock: FakeClock, dues: list[float], burst: int = 1) -> list[float]:
    """When requests went that woke up at these moments, one after the other."""
    pacer, found = Pacer(clock), []
    for due in dues:
        clock.now = due
        found.append(round(due + pacer.wait("books", INTERVAL_S, burst), 6))
    return found


def test_who_is_on_time_waits_for_nobody() -> None:
    dues = [100.0, 100.1, 100.2, 100.9, 101.0]
    assert went(FakeClock(), dues) == dues


def test_who_is_late_goes_as_far_behind_the_one_before() -> None:
    late = [100.5, 100.5, 100.5, 100.6, 101.5]
    assert went(FakeClock(), late) == [100.5, 100.6, 100.7, 100.8, 101.5]


def test_a_burst_may_go_together_and_no_more_than_that() -> None:
    late = [100.5] * 5
    assert went(FakeClock(), late, burst=3) == [100.5, 100.5, 100.5, 100.6, 100.7]


def test_sites_have_a_pace_of_their_own() -> None:
    clock = FakeClock()
    pacer = Pacer(clock)
    assert [pacer.wait(site, INTERVAL_S, 1) for site in ("books", "shop")] == [0.0, 0.0]


@pytest.mark.parametrize("asleep", [0.0, 0.73])
def test_through_the_gate_no_more_go_than_the_rate_allows(asleep: float) -> None:
    """All are let through, and the machine is busy with something else when their turns come."""
    clock = Set()
    with Gate(LocalStore(clock), lambda _: Limits(rate=RATE, slots=0), clock) as gate:
        waiting = [gate.steps("books", "h", 60.0, lambda: None) for _ in range(20)]
        gone: list[float] = []
        rests = {step: _rest(step, gone, clock) for step in waiting}
        until = {step: clock.now + rest for step, rest in rests.items() if rest >= 0}
        clock.now += asleep
        while until:
            step = min(until, key=until.__getitem__)
            clock.now = max(clock.now, until.pop(step))
            if (rest := _rest(step, gone, clock)) >= 0:
                until[step] = clock.now + rest

    most = max(sum(at <= other < at + 0.999 for other in gone) for at in gone)
    assert len(gone) == 20
    assert most <= RATE


def _rest(step: Generator[float, None, Permit], gone: list[float], clock: FakeClock) -> float:
    """Go on; how long to wait then, less than 0 for one that has gone."""
    try:
        return next(step)
    except StopIteration:
        gone.append(clock.now)
        return -1.0
