"""Cutting candidates into chunks, and how long that may take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxies.chunk import (
    LARGEST,
    LONGEST_S,
    MEMBERS_PER_SLOT,
    Pace,
    Sample,
    budget,
    expected,
    split,
)


@given(st.lists(st.integers(), max_size=200), st.integers(0, 8), st.floats(0.0001, 2))
def test_every_candidate_is_in_exactly_one_chunk(
    candidates: list[int], slots: int, work: float
) -> None:
    chunks = split(candidates, slots, work)

    assert sorted(number for chunk in chunks for number in chunk) == sorted(candidates)
    assert all(chunks)
    assert len(chunks) <= max(1, MEMBERS_PER_SLOT * max(1, slots))
    assert max(map(len, chunks), default=0) - min(map(len, chunks), default=0) <= 1


def test_few_quick_checks_are_one_chunk() -> None:
    assert len(split(range(50), slots=8, work=0.005)) == 1


def test_a_chunk_has_at_least_half_a_second_of_work() -> None:
    assert len(split(range(1000), slots=8, work=0.005)) == 10
    assert len(split(range(10_000), slots=2, work=0.005)) == 2 * MEMBERS_PER_SLOT


def test_a_chunk_never_grows_beyond_what_its_task_may_take() -> None:
    chunks = split(range(100_000), slots=1, work=0.00001)

    assert max(map(len, chunks)) <= LARGEST


def test_nothing_to_check_is_no_chunk() -> None:
    assert split([], slots=8, work=1.0) == []


def test_chunks_seen_so_far_make_the_expectation() -> None:
    careful = Pace.of([], in_flight=500, check_timeout=8)
    quick = Pace.of([Sample(100, seconds=1.0, busy=5.0)] * 20, in_flight=500, check_timeout=8)

    assert quick.work < careful.work
    assert expected(4, 100, 2, quick, 8) < expected(4, 5000, 2, careful, 8)
    assert Pace.of([Sample(0, 1, 1)], in_flight=1, check_timeout=3) == Pace.of([], 1, 3)


def test_a_budget_is_generous_but_bounded() -> None:
    assert budget(10) > 2 * 10
    assert budget(1e9) == LONGEST_S
