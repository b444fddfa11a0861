"""How long was waited, counted in a fixed number of classes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

#: The classes of a histogram end here, in seconds; the first one is for no wait at all.
BOUNDS_S = (
    *(0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)


@dataclass(frozen=True, slots=True)
class Waits:
    """A histogram: `counts` has how many waited at most as long as the bound, and one for all longer."""

    counts: tuple[int, ...]
    total_s: float = 0.0
    longest_s: float = 0.0

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self.counts)

    @property
    def mean_s(self) -> float:
        """How long one waited on average."""
        return self.total_s / self.count if self.count else 0.0

    def quantile(self, part: float) -> float:
        """So long, in seconds, did this `part` (0..1) of all wait at most, as far as the classes tell.

        >>> Waits((5, 3, 2) + (0,) * 19, 0.007, 0.0017).quantile(0.8)
        0.001
        """
        wanted = max(1.0, part * self.count)
        seen = 0
        for count, bound in zip(self.counts, BOUNDS_S, strict=False):
            seen += count
            if seen >= wanted:
                return min(bound, self.longest_s)
        return self.longest_s

    def __str__(self) -> str:
        """For people, like `120 waits: half 0 s, 95 % 0.05 s, longest 0.08 s`."""
        half, most = self.quantile(0.5), self.quantile(0.95)
        return (
            f"{self.count} waits: half {half:g} s, 95 % {most:g} s, longest {self.longest_s:.2g} s"
        )


@dataclass(slots=True)
class Histogram:
    """Counts waits; as large after a million as after one."""

    _counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    _total_s: float = 0.0
    _longest_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._total_s += seconds
        self._longest_s = max(self._longest_s, seconds)

    def snapshot(self) -> Waits:
        """What was counted up to now."""
        return Waits(tuple(self._counts), self._total_s, self._longest_s)
