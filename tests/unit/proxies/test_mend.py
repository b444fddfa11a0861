"""Which chunks count as lost, and what is done about them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from proxies.refresh.claim import MOST_RUNS
from proxies.refresh.mend import NOBODY_S, Collect, Redo, Silence, aged, what_to_do
from proxies.refresh.progress import Begun, Progress, RefreshStatus

PATIENCE = 10.0


def seen(*begun: Begun, total: int = 0, sent: bool = True, **more: float) -> Progress:
    reported = sum(chunk.reported for chunk in begun)
    return Progress(
        "0123456789ab",
        RefreshStatus.PROCESSING,
        total or len(begun),
        reported,
        **more,  # type: ignore[arg-type]
        sent=sent,
        begun=dict(enumerate(begun)),
    )


REPORTED = Begun("1", 1, reported=True)


def watched(looks: Mapping[float, Progress | None], *, forsaken: bool = False) -> list[Redo]:
    """What is lost after the last of these looks."""
    silence, lost = Silence(PATIENCE), []
    for at, look in looks.items():
        lost = silence.look(look, at, forsaken=forsaken)
    return lost


def test_a_chunk_is_lost_when_its_sign_has_not_changed_for_too_long() -> None:
    steady = {float(at): seen(Begun("1", 1), Begun(str(at), 1), REPORTED) for at in range(12)}

    assert watched(steady) == [Redo(0, "1")]
    assert watched({at: look for at, look in steady.items() if at < PATIENCE}) == []


def test_a_redis_that_was_away_is_held_against_nobody() -> None:
    looks: dict[float, Progress | None] = {float(at): seen(Begun("1", 1)) for at in range(5)}
    looks |= {float(at): None for at in range(5, 60)}
    looks |= {float(at): seen(Begun("1", 1)) for at in range(60, 65)}

    assert watched(looks) == []
    assert watched(looks | {float(at): seen(Begun("1", 1)) for at in range(65, 70)}) != []


def test_a_night_in_which_everything_slept_is_held_against_nobody() -> None:
    assert watched({0.0: seen(Begun("1", 1)), 30_000.0: seen(Begun("1", 1))}) == []


def test_what_nobody_has_begun_is_lost_only_when_nobody_will() -> None:
    looks: dict[float, Progress | None] = {
        float(at): seen(Begun(str(at), 1), total=3) for at in range(12)
    }

    assert watched(looks) == []
    assert watched(looks, forsaken=True) == [Redo(1, ""), Redo(2, "")]


def test_what_nobody_begins_for_very_long_is_lost_as_well() -> None:
    stuck = {float(at): seen(REPORTED, total=3) for at in range(int(NOBODY_S) + 2)}

    assert watched(stuck) == [Redo(1, ""), Redo(2, "")]
    working = {at: seen(REPORTED, Begun(str(at), 1), total=3) for at in stuck}
    assert watched(working) == []  # a slot is busy: it will be free


@pytest.mark.parametrize(
    ("look", "lost"),
    [
        (seen(Begun("95", 1), Begun("89", 1), Begun("5", 1, reported=True), at=100.0), [1]),
        (seen(Begun("50", 1, reported=True), total=2, at=100.0, running_s=60.0), []),
        (seen(Begun("30", 1, reported=True), total=2, at=100.0, running_s=80.0), [1]),
        (seen(total=2, at=100.0, running_s=14.0, sent=False), []),
        (seen(total=2, at=100.0, running_s=16.0, sent=False), [0, 1]),
        (seen(total=2, at=100.0, running_s=16.0), []),
        (seen(total=2, at=100.0, running_s=61.0), [0, 1]),
    ],
)
def test_a_single_look_tells_by_the_clock_of_the_server(look: Progress, lost: list[int]) -> None:
    assert [chunk.index for chunk in aged(look)] == lost


def test_with_all_reports_it_ends() -> None:
    assert what_to_do(seen(REPORTED, REPORTED), []) == Collect()


def test_what_is_lost_is_redone_one_after_the_other() -> None:
    assert what_to_do(seen(REPORTED, Begun("1", 1), Begun("2", 1)), []) is None
    both = [Redo(1, "1"), Redo(2, "2")]
    assert what_to_do(seen(REPORTED, Begun("1", 1), Begun("2", 1)), both) == Redo(1, "1")
    tried = Begun("1", MOST_RUNS)
    assert what_to_do(seen(REPORTED, tried, Begun("2", 1)), both) == Redo(2, "2")


def test_what_cannot_be_redone_is_missing_once_all_others_are_there() -> None:
    tried = Begun("1", MOST_RUNS)

    assert what_to_do(seen(tried, Begun("2", 1)), [Redo(0, "1")]) is None
    assert what_to_do(seen(tried, total=2), [Redo(0, "1")]) is None
    assert what_to_do(seen(tried, REPORTED), [Redo(0, "1")]) == Collect(missing=True)


def test_enough_ends_it_as_soon_as_what_runs_has_reported() -> None:
    found = Begun("1", 1, reported=True, usable=3)
    running = seen(found, Begun("1", 1), total=5, want=3)

    assert what_to_do(running, []) is None
    assert what_to_do(running, [Redo(1, "1")]) == Collect(missing=True)
    assert what_to_do(seen(found, total=5, want=3), []) == Collect(missing=True)
    assert what_to_do(seen(found, total=5, want=4), []) is None


def test_what_was_found_and_is_lost_before_it_was_reported_is_not_enough() -> None:
    lost = seen(REPORTED, Begun("1", 1, usable=3), total=5, usable=3, want=3)

    assert what_to_do(lost, []) is None
    assert what_to_do(lost, [Redo(1, "1")]) == Redo(1, "1")
