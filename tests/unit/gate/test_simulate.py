"""Trying the gate without a site: the clock is virtual, so all is exact."""

from __future__ import annotations

import itertools
import time

import pytest

from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import Reason, Report, Verdict
from orchestrator.gate.simulate import Answers, Simulation, simulate


def admitted(simulation: Simulation) -> list[float | None]:
    return [turn.admitted_at for turn in simulation.turns]


def test_requests_pass_at_the_rate() -> None:
    found = simulate(Limits(rate=5), 6, 3, answers=Answers(latency_s=0.01))
    assert admitted(found) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert found.per_second == pytest.approx(5)
    assert found.worst_second == 5
    assert [turn.worker for turn in found.turns] == [0, 1, 2, 0, 1, 2]
    assert [turn.n for turn in found.turns] == [1, 2, 3, 4, 5, 6]


def test_one_worker_is_as_slow_as_the_site_answers() -> None:
    found = simulate(Limits(rate=5), 4, 1, answers=Answers(latency_s=1))
    assert [turn.asked_at for turn in found.turns] == [0, 1, 2, 3]
    assert found.longest_wait == 0


def test_the_burst_shows_in_the_worst_second() -> None:
    found = simulate(Limits(rate=5, burst=4), 40, 8)
    assert found.worst_second == 5 + 4 - 1


def test_slots_hold_workers_up_in_order_of_arrival() -> None:
    limits = Limits(rate=1000, slots=2)
    found = simulate(limits, 6, 6, answers=Answers(latency_s=1))
    assert admitted(found) == pytest.approx([0, 0.001, 1.0, 1.001, 2.0, 2.001])
    assert [turn.refused for turn in found.turns] == [()] * 2 + [(Reason.SLOT,)] * 4


def test_retry_after_keeps_all_out_that_have_not_gone_yet() -> None:
    found = simulate(
        Limits(rate=5, adaptive=False),
        10,
        8,
        answers=Answers(0.3, every=5, verdict=Verdict.LIMITED, retry_after_s=10),
    )
    times = found.admitted
    assert times[5] == pytest.approx(1.0)  # it had its turn before the answer came, at 1.1
    assert times[6] >= 11.1
    assert any(Reason.PAUSE in turn.refused for turn in found.turns)


def test_what_is_too_much_makes_it_slower() -> None:
    answers = Answers(0.01, every=2, verdict=Verdict.LIMITED)
    fast = simulate(Limits(rate=5, adaptive=False), 40, 4, answers=answers)
    slow = simulate(Limits(rate=5), 40, 4, answers=answers)
    assert fast.per_second == pytest.approx(5)
    assert slow.per_second < 2


def test_a_failing_site_is_left_alone() -> None:
    limits = Limits(rate=5, failures=3, open_s=7)
    found = simulate(limits, 12, 4, answers=Answers(0.01, every=1))
    times = found.admitted
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    # Three fail; then each trial fails, and the next comes after twice the time.
    assert [round(gap) for gap in gaps[2:5]] == [7, 14, 28]
    assert max(gaps) == pytest.approx(limits.open_cap_s, abs=0.1)


def test_hosts_with_limits_of_their_own_take_turns() -> None:
    limits = Limits(rate=10, host_rate=1)
    found = simulate(limits, 10, 10, hosts=("a", "b"), answers=Answers(0.01))
    of_a = [turn.admitted_at for turn in found.turns if turn.n % 2]
    assert sorted(at for at in of_a if at is not None) == pytest.approx([0, 1, 2, 3, 4], abs=0.2)


def test_who_waits_too_long_gives_up() -> None:
    found = simulate(Limits(rate=1), 5, 5, max_wait_s=2.5, answers=Answers(0.01))
    assert admitted(found) == [0, 1, 2, None, None]
    assert [turn.refused for turn in found.turns] == [(), (), (), (Reason.RATE,), (Reason.RATE,)]
    held = simulate(Limits(rate=1, slots=1), 2, 2, max_wait_s=2.5, answers=Answers(60))
    assert [(turn.admitted_at, turn.wait) for turn in held.turns] == [(0, 0), (None, 2.5)]


def test_the_same_again_says_the_same_and_takes_no_time() -> None:
    limits = Limits(rate=0.1, slots=3)
    began = time.monotonic()

    def answer(n: int) -> Report:
        return Report(Verdict.LIMITED if n % 7 < 3 else Verdict.OK, n % 5 * 3.0)

    first, second = (simulate(limits, 60, 9, answers=answer) for _ in range(2))
    assert first == second
    assert first.admitted[-1] > 600
    assert time.monotonic() - began < 300


def test_nothing_asked_is_nothing_told() -> None:
    found = simulate(Limits(rate=1), 0, 3)
    assert (found.turns, found.per_second, found.worst_second, found.longest_wait) == ((), 0, 0, 0)
    with pytest.raises(ValueError, match="at least 1"):
        simulate(Limits(rate=1), 3, 0)
