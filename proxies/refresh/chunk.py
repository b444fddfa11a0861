"""How candidates are cut into chunks, and how long a refresh may take: pure decisions."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

T = TypeVar("T")

#: Chunks for each slot: more than one, so that a slow chunk does not end alone.
CHUNKS_PER_SLOT = 2
#: A member of a chord costs several ms and some forty commands; it should be worth it.
SMALLEST = 250
#: A chunk has no more candidates than this, so that it ends long before its task's limit.
LARGEST = 5000
#: What a check costs when nobody waits for it: processor time, in seconds.
CPU_S = 0.002
#: Without experience we expect a check to take this part of its timeout.
EXPECTED_PART = 1 / 3
#: What a refresh takes besides checking: sources, queueing, a worker that starts, in seconds.
OVERHEAD_S = 30.0
#: A computed timeout is so many times what we expect.
SAFETY = 2.0
#: The longest computed timeout, in seconds.
LONGEST_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What one chunk took: in all, and the sum over its checks (many run at once), in seconds."""

    candidates: int
    seconds: float
    busy: float


@dataclass(frozen=True, slots=True)
class Pace:
    """What we expect of the next chunks."""

    work: float  #: seconds that a candidate adds to its chunk
    slowest: float  #: seconds that 95 % of the chunks seen so far did not exceed; 0 without any

    @classmethod
    def of(cls, samples: Sequence[Sample], in_flight: int, check_timeout: float) -> Pace:
        """Learn from the chunks seen so far; without any, expect something careful.

        >>> round(Pace.of([], in_flight=100, check_timeout=9).work, 6)
        0.032
        >>> Pace.of([Sample(10, seconds=4.0, busy=20.0)], in_flight=4, check_timeout=9)
        Pace(work=0.502, slowest=4.0)
        """
        seen = [sample for sample in samples if sample.candidates > 0]
        checks = [sample.busy / sample.candidates for sample in seen]
        check = _p95(checks) if checks else check_timeout * EXPECTED_PART
        return cls(CPU_S + check / in_flight, _p95([sample.seconds for sample in seen]))


def size(candidates: int, slots: int) -> int:
    """How many of so many candidates a chunk has at most, with so many slots to work on them.

    >>> size(100, slots=2), size(10_000, slots=2), size(1_000_000, slots=2)
    (250, 2500, 5000)
    """
    wanted = math.ceil(candidates / (CHUNKS_PER_SLOT * max(1, slots)))
    return min(LARGEST, max(SMALLEST, wanted))


def split(
    candidates: Sequence[T], slots: int, together: Callable[[T], Hashable]
) -> list[Sequence[T]]:
    """Deal the candidates out to chunks, so that the slow ones of a list do not end up together.

    Neighbours that are equal by `together` go into the same chunk, as long as it is not full.

    >>> split("abc", slots=1, together=str)
    [['a', 'b', 'c']]
    """
    if not candidates:
        return []
    most = size(len(candidates), slots)
    chunks: list[list[T]] = [[] for _ in range(math.ceil(len(candidates) / most))]
    emptiest = [(0, index) for index in range(len(chunks))]
    for _, equal in groupby(candidates, together):
        rest = list(equal)
        while rest:
            filled, index = heapq.heappop(emptiest)
            chunks[index] += rest[: most - filled]
            rest = rest[most - filled :]
            if len(chunks[index]) < most:
                heapq.heappush(emptiest, (len(chunks[index]), index))
    return [chunk for chunk in chunks if chunk]


def expected(chunks: int, largest: int, slots: int, pace: Pace, check_timeout: float) -> float:
    """Seconds that checking should take: rounds of chunks, each as slow as its slowest proxy."""
    rounds = math.ceil(chunks / max(1, slots))
    return rounds * max(pace.slowest, check_timeout + largest * pace.work)


def budget(seconds: float) -> float:
    """The timeout for a refresh whose checking should take `seconds`.

    >>> budget(10.0)
    50.0
    """
    return min(LONGEST_S, OVERHEAD_S + SAFETY * seconds)


def _p95(values: Sequence[float]) -> float:
    ordered = sorted(values)
    return ordered[int(0.95 * (len(ordered) - 1) + 0.5)] if ordered else 0.0
