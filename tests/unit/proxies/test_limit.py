"""A deadline that goes with what is seen of a refresh."""

from __future__ import annotations

from orchestrator.core.clock import Deadline
from proxies.refresh.chunk import LONGEST_S, budget
from proxies.refresh.limit import Limit
from proxies.refresh.progress import Progress, RefreshStatus
from tests.support.fake_clock import FakeClock


def seen(checked: int) -> Progress:
    return Progress("0123456789ab", RefreshStatus.PROCESSING, 4, 0, 1000, checked)


def test_a_deadline_that_was_given_does_not_move() -> None:
    clock = FakeClock()
    limit = Limit(Deadline.after(5, clock), None, clock)

    limit.look(seen(10))

    assert limit.deadline.remaining() == 5


def test_each_progress_computes_it_anew_and_standing_still_does_not() -> None:
    clock = FakeClock()
    left = iter([100.0, 20.0, 60.0])
    limit = Limit(Deadline.after(5, clock), lambda _: next(left), clock)

    limit.look(seen(1))
    assert limit.deadline.remaining() == budget(100)
    clock.sleep(10)
    limit.look(seen(1))
    assert limit.deadline.remaining() == budget(100) - 10
    limit.look(seen(2))
    assert limit.deadline.remaining() == budget(20)
    limit.look(seen(3))
    assert limit.deadline.remaining() == budget(60)


def test_it_never_goes_on_for_ever() -> None:
    clock = FakeClock()
    limit = Limit(Deadline.after(5, clock), lambda _: 1e9, clock)

    clock.sleep(LONGEST_S - 7)
    limit.look(seen(1))

    assert limit.deadline.remaining() == 7
