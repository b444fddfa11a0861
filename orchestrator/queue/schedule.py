"""When each of those in line may go, at a rate: reckoning only, without a clock and without threads."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Place:
    """`n` tokens in line: due when as many as `position` have been earned; `granted` for good then."""

    n: int
    position: int
    granted: bool = False


class Schedule:
    """A bucket that earns `rate` tokens a second and holds `burst`, and the line of those who want some.

    Tokens are counted from when the bucket was last full, or the rate last changed, and never added up
    step by step: nothing drifts. In any window at most rate · length + burst tokens are granted; those
    that are given back before the next ones are granted do not count.

    Raises:
        ValueError: a rate or a burst that nothing passes.
    """

    __slots__ = ("_burst", "_earned", "_given", "_line", "_placed", "_rate", "_since")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = _rate(rate)
        self._burst = _whole("burst", burst)
        self._line: deque[Place] = deque()  # in order; none is due at the time last looked at
        self._given = 0  # tokens that are out and could come back
        self._earned: float = 0.0
        self._fill(now)

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self._rate

    @property
    def burst(self) -> int:
        """How many tokens at once after a rest."""
        return self._burst

    @property
    def waiting(self) -> int:
        """How many stand in line, as of the time last looked at."""
        return len(self._line)

    def enter(self, n: int, now: float) -> Place:
        """Take the next place in line, for `n` tokens.

        Raises:
            ValueError: the bucket never holds so many.
        """
        if _whole("n", n) > self._burst:
            raise ValueError(
                f"{n} tokens at once, and the bucket never holds more than {self._burst}"
            )
        self._look(now)
        self._placed += n
        place = Place(n, self._placed)
        self._line.append(place)
        self._look(now)
        return place

    def wait(self, place: Place, now: float) -> float:
        """In how many seconds this place is due; 0.0: it is."""
        self._look(now)
        return 0.0 if place.granted else self._due(place) - now

    def leave(self, place: Place, now: float) -> bool:
        """Give a place up, due or not; tell whether anybody moved up."""
        self._look(now)
        if place.granted:
            return self.refund(place.n, now)
        behind = list(self._line)[self._line.index(place) + 1 :]
        self._line.remove(place)
        self._placed -= place.n
        for other in behind:
            other.position -= place.n
        self._look(now)
        return bool(behind)

    def refund(self, n: int, now: float) -> bool:
        """Take back tokens that were granted and not used; tell whether anybody moved up.

        Raises:
            ValueError: fewer are out; nothing is changed.
        """
        if _whole("n", n) > self._given:
            raise ValueError(f"{n} tokens to give back, and only {self._given} are out")
        self._look(now)
        waited = bool(self._line)
        self._given -= n
        # The bucket holds no more than its burst, whoever waits: what was in it meanwhile is not saved up.
        granted = self._placed - sum(place.n for place in self._line)
        most = granted + self._burst - self._earned_by(now)
        self._earned += min(n, most)
        self._look(now)
        return waited

    def change(self, rate: float, now: float) -> None:
        """Earn at another rate from now on; who waits goes later or earlier.

        Raises:
            ValueError: a rate that nothing passes.
        """
        checked = _rate(rate)
        self._look(now)
        self._earned = self._earned_by(now)
        self._since = now
        self._rate = checked

    def _look(self, now: float) -> None:
        while self._line and self._due(self._line[0]) <= now:
            place = self._line.popleft()
            place.granted = True
            self._given += place.n
        if self._earned_by(now) - self._placed >= self._burst:
            self._fill(now)

    def _fill(self, now: float) -> None:
        """Begin anew with a full bucket: nobody is in line then."""
        self._since = now
        self._earned = self._burst
        self._placed = 0

    def _earned_by(self, now: float) -> float:
        return self._earned + self._rate * (now - self._since)

    def _due(self, place: Place) -> float:
        return self._since + (place.position - self._earned) / self._rate


def _rate(rate: float) -> float:
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise ValueError(f"rate must be a number of tokens a second, more than 0, not {rate!r}")
    return float(rate)


def _whole(what: str, number: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ValueError(f"{what} must be a whole number from 1, not {number!r}")
    return number
