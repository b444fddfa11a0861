"""For how long a worker has owed a proof: excuses count, and being busy is not standing still."""

from __future__ import annotations

import pytest

from orchestrator.celery_app.patience import Activity, FairClock, Owed, Standstill


@pytest.mark.parametrize(
    ("looks", "now"),
    [
        ([(0, True), (2, True), (4, True)], 4.0),
        ([(0, True)], 0.0),
        ([(0, True), (2, False), (4, True), (6, True)], 2.0),  # Redis was away in between
        ([(0, False), (2, False), (4, True)], 0.0),
        ([(0, True), (2, True), (32, True), (34, True)], 4.0),  # suspended for a while
    ],
)
def test_the_fair_clock_stops_for_every_excuse(looks: list[tuple[float, bool]], now: float) -> None:
    clock = FairClock()

    for at, fair in looks:
        clock.look(at, fair=fair)

    assert clock.now == now


def test_what_is_owed_counts_from_when_it_became_due_without_a_break() -> None:
    owed = Owed()

    answers = [
        owed.look(now, due=due) for now, due in [(1, True), (3, True), (4, False), (5, True)]
    ]

    assert answers == [0.0, 2.0, 0.0, 0.0]


def still(looks: list[dict[int | None, Activity | None]]) -> float:
    """Look every 2 s; return the last answer."""
    standstill = Standstill()
    return [standstill.look(2.0 * n, 2.0, running) for n, running in enumerate(looks)][-1]


IDLE = Activity(5, 1.0)


@pytest.mark.parametrize(
    ("looks", "seconds"),
    [
        ([{}, {}], 0.0),
        ([{7: IDLE}], 0.0),
        ([{7: IDLE}] * 6, 10.0),
        ([{7: Activity(n)} for n in range(6)], 0.0),  # gives signs
        ([{7: Activity(5, n * 0.2)} for n in range(6)], 0.0),  # a busy processor
        ([{7: Activity(5, n * 0.05)} for n in range(6)], 10.0),  # next to nothing
        ([{7: Activity(5, disk_wait=True)}] * 6, 0.0),
        ([{7: IDLE, 8: Activity(n)} for n in range(6)], 0.0),  # one of them gets on
        ([{7: IDLE, 8: IDLE}] * 6, 10.0),
        ([{7: IDLE, 8: None}] * 6, 0.0),  # nothing is known of one
        ([{None: None}] * 6, 0.0),
        ([{7: IDLE}] * 5 + [{8: IDLE}], 0.0),  # another task
        ([{7: IDLE}] * 3 + [{}] + [{7: IDLE}] * 3, 4.0),  # a free slot in between
        ([{7: Activity(5)}] * 3 + [{7: Activity(6)}] * 3, 4.0),
    ],
)
def test_a_standstill_is_one_of_all_running_tasks(
    looks: list[dict[int | None, Activity | None]], seconds: float
) -> None:
    assert still(looks) == seconds
