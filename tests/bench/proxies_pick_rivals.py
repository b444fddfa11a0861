"""The public rules for picking a proxy, for `proxies_pick`.

As the libraries have them, each keeps one figure for a proxy, over all sites, and a ban is a failure.
They see every outcome at once, without a snapshot that may be a second old.
"""

from __future__ import annotations

import math
import random


class Rule:
    """A rule: which proxy is next, and what an outcome does to its figure."""

    def __init__(self, proxies: int, seed: int) -> None:
        self.count = proxies
        self.chance = random.Random(seed)
        self.start()

    async def pick(self, _now: float, _worker: int, _site: int) -> tuple[int, object]:
        proxy = self.choose()
        return proxy, proxy

    async def report(self, _now: float, ticket: object, outcome: str, _seconds: float) -> None:
        assert isinstance(ticket, int)
        self.hear(ticket, ok=outcome == "ok")

    def start(self) -> None: ...

    def choose(self) -> int:
        raise NotImplementedError

    def hear(self, proxy: int, *, ok: bool) -> None: ...

    def best(self, figures: list[float]) -> int:
        top = max(figures)
        return self.chance.choice([proxy for proxy, each in enumerate(figures) if each == top])


class Random(Rule):
    def choose(self) -> int:
        return self.chance.randrange(self.count)


class RoundRobin(Rule):
    def start(self) -> None:
        self.last = -1

    def choose(self) -> int:
        self.last = (self.last + 1) % self.count
        return self.last


class LeastUsed(Rule):
    """The fewest requests in flight, then in all."""

    def start(self) -> None:
        self.used = [0.0] * self.count

    def choose(self) -> int:
        proxy = self.best([-used for used in self.used])
        self.used[proxy] += 1_000_001
        return proxy

    def hear(self, proxy: int, *, ok: bool) -> None:
        del ok
        self.used[proxy] -= 1_000_000


class BestScore(Rule):
    """A moving mean of successes; one pick of ten is by lot, so that the others are heard of, too."""

    def start(self) -> None:
        self.score = [1.0] * self.count

    def choose(self) -> int:
        if self.chance.random() < 0.1:
            return self.chance.randrange(self.count)
        return self.best(self.score)

    def hear(self, proxy: int, *, ok: bool) -> None:
        self.score[proxy] += 0.2 * (ok - self.score[proxy])


class Ucb(Rule):
    """UCB1 (Auer, Cesa-Bianchi and Fischer 2002)."""

    def start(self) -> None:
        self.won, self.tried, self.turns = [0] * self.count, [0] * self.count, 0

    def choose(self) -> int:
        self.turns += 1
        bonus = 2 * math.log(self.turns + 1)
        return self.best(
            [
                won / tried + math.sqrt(bonus / tried) if tried else math.inf
                for won, tried in zip(self.won, self.tried, strict=True)
            ]
        )

    def hear(self, proxy: int, *, ok: bool) -> None:
        self.won[proxy] += ok
        self.tried[proxy] += 1


class Elo(Rule):
    """Each request is a game against a site of 1000; drawn in proportion to the odds of winning."""

    def start(self) -> None:
        self.rating = [1000.0] * self.count

    def choose(self) -> int:
        top = max(self.rating)
        odds = [10 ** ((rating - top) / 400) for rating in self.rating]
        return self.chance.choices(range(self.count), odds)[0]

    def hear(self, proxy: int, *, ok: bool) -> None:
        expected = 1 / (1 + 10 ** ((1000 - self.rating[proxy]) / 400))
        self.rating[proxy] += 24 * (ok - expected)


class Multiplicative(Rule):
    """The weight grows by a fifth with a success and halves with a failure."""

    def start(self) -> None:
        self.weight = [1.0] * self.count

    def choose(self) -> int:
        return self.chance.choices(range(self.count), self.weight)[0]

    def hear(self, proxy: int, *, ok: bool) -> None:
        weight = self.weight[proxy]
        self.weight[proxy] = min(10.0, weight * 1.2) if ok else max(0.01, weight / 2)


RULES: dict[str, type[Rule]] = {
    "random": Random,
    "round robin": RoundRobin,
    "least used": LeastUsed,
    "best score": BestScore,
    "ucb": Ucb,
    "elo": Elo,
    "multiplicative": Multiplicative,
}
