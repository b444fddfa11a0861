"""What a proxy may be expected to do at a site, from how requests through it went: pure decisions.

What counts is how long it takes until a page is there, so `Odds.draw` draws that: how likely the proxy
answers from its Beta posterior, and how long it takes from what it took so far. Whoever takes the proxy
with the least draw tries all of them in proportion to how likely each is the best one (Thompson 1933).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

#: After so many seconds a request counts half.
HALF_LIFE_S = 900.0
#: What a proxy did at other sites counts so much, against what it did at this one.
ELSEWHERE = 0.5
#: The mean of the pool counts like so many requests.
PRIOR_WEIGHT = 2.0
#: More requests than this count as so many: what was long good is still doubted when it fails.
MOST_EVIDENCE = 40.0
#: How much one answer's time differs from the mean, as a part of it.
SPREAD = 0.3
#: What is assumed of a pool that nobody has used yet: success, and seconds of an answer and a failure.
SUCCESS, ANSWER_S, FAILURE_S = 0.6, 1.5, 5.0
#: The mean of a pool counts proxies with so many requests in full.
_ENOUGH = 3.0


def kept(seconds: float, half_life: float = HALF_LIFE_S) -> float:
    """Return what counts of a request that was so long ago.

    >>> kept(0), kept(900), kept(1800)
    (1.0, 0.5, 0.25)
    """
    return float(0.5 ** (max(0.0, seconds) / half_life))


class Tally(NamedTuple):
    """Requests of a proxy, as they counted at `at`: numbers of them, and what they took in seconds."""

    at: float = 0.0
    ok: float = 0.0
    failed: float = 0.0
    ok_s: float = 0.0
    failed_s: float = 0.0
    worked_at: float = 0.0

    @classmethod
    def read(cls, text: str) -> Self:
        """Read it as the scripts write it."""
        return cls(*map(float, text.split()))

    @property
    def all(self) -> float:
        """How many."""
        return self.ok + self.failed


@dataclass(frozen=True, slots=True)
class Prior:
    """What is expected of a proxy that nobody has used: the means of the pool."""

    success: float = SUCCESS
    answer_s: float = ANSWER_S
    failure_s: float = FAILURE_S
    #: What an answer takes, over what the check took.
    over_check: float = 0.0

    @classmethod
    def of(cls, members: Iterable[tuple[Tally, float]]) -> Self:
        """Return the means over proxies, given each one's tally and what its check took (s, 0: unknown).

        Each proxy counts alike: the mean of requests would be that of the good ones, which have most.
        """
        success, answers, failures = _Mean(), _Mean(), _Mean()
        took = checks = 0.0
        success.add(SUCCESS, 2.0)
        answers.add(ANSWER_S, 0.1)
        failures.add(FAILURE_S, 0.1)
        for tally, check_s in members:
            if tally.all:
                success.add(tally.ok / tally.all, min(1.0, tally.all / _ENOUGH))
            if tally.ok:
                answers.add(tally.ok_s / tally.ok, min(1.0, tally.ok))
                if check_s:
                    took, checks = took + tally.ok_s / tally.ok, checks + check_s
            if tally.failed:
                failures.add(tally.failed_s / tally.failed, min(1.0, tally.failed))
        return cls(success.value, answers.value, failures.value, took / checks if checks else 0.0)

    def answer(self, check_s: float) -> float:
        """What an answer is expected to take through a proxy whose check took so long."""
        return check_s * self.over_check or self.answer_s


class _Mean:
    def __init__(self) -> None:
        self._sum = self._weight = 0.0

    def add(self, value: float, weight: float) -> None:
        self._sum += value * weight
        self._weight += weight

    @property
    def value(self) -> float:
        return self._sum / self._weight


class Odds(NamedTuple):
    """The Beta posterior of an answer (`a`, `b`), what it takes, and what a failure costs, in seconds."""

    a: float
    b: float
    answer_s: float
    loss_s: float
    spread: float  #: of `answer_s`, as a part of it

    @classmethod
    def of(cls, all_sites: Tally, here: Tally, prior: Prior, check_s: float, now: float) -> Self:
        """Weigh what is known at the moment `now`."""
        left, left_here = kept(now - all_sites.at), kept(now - here.at)
        ok, failed = all_sites.ok * left, all_sites.failed * left
        a = ELSEWHERE * ok + (1 - ELSEWHERE) * here.ok * left_here
        b = ELSEWHERE * failed + (1 - ELSEWHERE) * here.failed * left_here
        a += PRIOR_WEIGHT * prior.success
        b += PRIOR_WEIGHT * (1 - prior.success)
        scale = min(1.0, MOST_EVIDENCE / (a + b))
        return cls(
            a * scale,
            b * scale,
            (all_sites.ok_s * left + PRIOR_WEIGHT * prior.answer(check_s)) / (ok + PRIOR_WEIGHT),
            (all_sites.failed_s * left + PRIOR_WEIGHT * prior.failure_s) / (failed + PRIOR_WEIGHT),
            SPREAD / math.sqrt(1.0 + ok),
        )

    @property
    def success(self) -> float:
        """How likely it answers."""
        return self.a / (self.a + self.b)

    @property
    def hope(self) -> float:
        """What it takes if all goes well that may: two standard deviations better than expected."""
        mean = self.success
        deviation = math.sqrt(mean * (1 - mean) / (self.a + self.b + 1))
        chance = min(max(mean, 0.995), mean + 2 * deviation)
        return self.answer_s * math.exp(-2 * self.spread) + (1 / chance - 1) * self.loss_s

    @property
    def expected_s(self) -> float:
        """How long it takes until there is an answer, failures on the way included."""
        return self.answer_s + (1 / self.success - 1) * self.loss_s

    def draw(self, random: random.Random) -> float:
        """Draw how long it takes until there is an answer."""
        chance = max(0.01, random.betavariate(self.a, self.b))
        answer_s = self.answer_s * math.exp(self.spread * random.gauss(0.0, 1.0))
        return answer_s + (1 / chance - 1) * self.loss_s
