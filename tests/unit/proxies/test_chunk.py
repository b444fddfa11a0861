"""Cutting candidates into chunks, and how long that may take."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxies.refresh.chunk import (
    LARGEST,
    LONGEST_S,
    SMALLEST,
    Pace,
    Sample,
    budget,
    expected,
    size,
    split,
)


def alone(candidate: int) -> int:
    return candidate


@given(st.integers(0, 30_000), st.integers(0, 8))
def test_every_candidate_is_in_exactly_one_chunk_of_the_size_that_is_due(
    count: int, slots: int
) -> None:
    chunks = split(range(count), slots, alone)

    due = size(count, slots)
    assert sorted(number for chunk in chunks for number in chunk) == list(range(count))
    assert len(chunks) == math.ceil(count / due)
    assert max(map(len, chunks), default=0) - min(map(len, chunks), default=0) <= 1
    assert max(map(len, chunks), default=0) <= due


@pytest.mark.parametrize(
    ("count", "slots", "due"),
    [
        (1, 8, SMALLEST),
        (1000, 2, 250),
        (1001, 2, 251),
        (10_000, 2, 2500),
        (10_000, 0, 5000),
        (100_000, 2, LARGEST),
    ],
)
def test_two_chunks_for_each_slot_within_bounds(count: int, slots: int, due: int) -> None:
    assert size(count, slots) == due


@given(st.lists(st.integers(1, 40), max_size=300))
def test_what_belongs_together_shares_a_chunk_as_long_as_there_is_room(sizes: list[int]) -> None:
    candidates = [group for group, count in enumerate(sizes) for _ in range(count)]

    chunks = split(candidates, 1, alone)

    assert sorted(number for chunk in chunks for number in chunk) == candidates
    assert max(map(len, chunks), default=0) <= size(len(candidates), 1)
    # One more piece for each chunk that was filled up in the middle of a group, at most.
    assert sum(len(set(chunk)) for chunk in chunks) <= len(sizes) + len(chunks)


def test_an_address_that_is_tried_in_two_ways_is_tried_in_one_chunk() -> None:
    candidates = [number // 2 for number in range(4000)]

    chunks = split(candidates, 2, alone)

    assert len(chunks) == 4
    assert all(chunk.count(number) == 2 for chunk in chunks for number in set(chunk))


def test_neighbours_of_a_list_are_spread_over_all_chunks() -> None:
    chunks = split(range(1000), 2, alone)

    assert [chunk[0] for chunk in chunks] == [0, 1, 2, 3]


def test_nothing_to_check_is_no_chunk() -> None:
    assert split([], 8, alone) == []


def test_chunks_seen_so_far_make_the_expectation() -> None:
    careful = Pace.of([], in_flight=500, check_timeout=8)
    quick = Pace.of([Sample(100, seconds=1.0, busy=5.0)] * 20, in_flight=500, check_timeout=8)

    assert quick.work < careful.work
    assert expected(4, 100, 2, quick, 8) < expected(4, 5000, 2, careful, 8)
    assert Pace.of([Sample(0, 1, 1)], in_flight=1, check_timeout=3) == Pace.of([], 1, 3)


def test_a_budget_is_generous_but_bounded() -> None:
    assert budget(10) > 2 * 10
    assert budget(1e9) == LONGEST_S
