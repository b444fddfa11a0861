"""A world of proxies and sites in simulated time, for `proxies_pick`."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Protocol

#: How often proxies change, in seconds.
STEP_S = 20.0
#: What never has a proxy looks again so soon, in seconds.
LOOK_AGAIN_S = 0.5
#: A dead proxy answers so seldom.
DEAD = 0.02

Spread = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds in a world."""

    proxies: int = 200
    sites: int = 10
    #: So many of them ban nobody.
    tolerant: int = 2
    seconds: float = 3600.0
    #: Processes, and requests in flight in all of them.
    workers: int = 3
    slots: int = 32
    #: Log-odds of an answer: mean, how proxies differ, and how much each drifts.
    logit: tuple[float, float, float] = (1.45, 1.1, 0.7)
    #: Seconds of an answer: median, and how logs differ between proxies, drift, and from answer to answer.
    answer: tuple[float, float, float, float] = (1.1, 0.5, 0.3, 0.25)
    #: Drift is forgotten after so long, in seconds.
    relax_s: float = 1500.0
    #: How long proxies live, and stay dead until they come back, on average.
    up_s: float = 5400.0
    down_s: float = 1200.0
    #: So many failures are a silence until the timeout.
    silent: float = 0.5
    timeout_s: float = 10.0
    #: Sites that ban: requests of one proxy, in how many seconds, and how long it is banned for more.
    budget: Spread = (10.0, 40.0)
    window_s: Spread = (120.0, 600.0)
    ban_s: Spread = (300.0, 1800.0)
    #: How budgets differ between the proxies at one site (log).
    unlike: float = 0.2
    #: Each request in flight through a proxy makes answers so much longer, as a part of them.
    crowding: float = 0.0

    def without_bans(self) -> Terms:
        return replace(self, tolerant=self.sites)


@dataclass(slots=True)
class _Proxy:
    logit: float
    drift: float
    log_s: float
    log_drift: float
    dead: bool
    in_flight: int = 0

    @property
    def success(self) -> float:
        return DEAD if self.dead else 1 / (1 + math.exp(-self.logit - self.drift))


@dataclass(slots=True)
class _Pair:
    budget: float
    requests: deque[float] = field(default_factory=deque)
    banned_until: float = 0.0


class World:
    """Whatever chance decides is decided by the seed, as far as requests are the same."""

    def __init__(self, terms: Terms, seed: int) -> None:
        self.terms = terms
        self._random = random.Random(seed)
        self._stepped = 0.0
        self.proxies = [self._proxy() for _ in range(terms.proxies)]
        banning = terms.sites - terms.tolerant
        rules = [
            self._spread(each, banning) for each in (terms.budget, terms.window_s, terms.ban_s)
        ]
        self._rules = [None] * terms.tolerant + list(zip(*rules, strict=True))
        self._pairs: dict[tuple[int, int], _Pair] = {}

    def ask(self, now: float, proxy: int, site: int) -> tuple[str, float]:
        """Make a request; return what comes of it and after how many seconds."""
        self._drift(now)
        terms, chance, asked = self.terms, self._random, self.proxies[proxy]
        if chance.random() >= asked.success:
            silent = chance.random() < terms.silent
            return "failed", terms.timeout_s if silent else chance.uniform(0.1, 1.0)
        noise = chance.gauss(0, terms.answer[3])
        seconds = math.exp(asked.log_s + asked.log_drift + noise)
        seconds *= 1 + terms.crowding * asked.in_flight
        if seconds >= terms.timeout_s:
            return "failed", terms.timeout_s
        return ("banned" if self._banned(now, proxy, site) else "ok"), seconds

    def _banned(self, now: float, proxy: int, site: int) -> bool:
        rule = self._rules[site]
        if rule is None:
            return False
        budget, window_s, ban_s = rule
        pair = self._pairs.get((proxy, site))
        if pair is None:
            unlike = math.exp(self._random.gauss(0, self.terms.unlike))
            pair = self._pairs[proxy, site] = _Pair(budget * unlike)
        if pair.banned_until > now:
            return True
        pair.requests.append(now)
        while pair.requests[0] <= now - window_s:
            pair.requests.popleft()
        if len(pair.requests) <= pair.budget:
            return False
        pair.requests.clear()
        pair.banned_until = now + ban_s
        return True

    def _proxy(self) -> _Proxy:
        chance, terms = self._random, self.terms
        logit, differ, drift = terms.logit
        median, log_differ, log_drift, _ = terms.answer
        return _Proxy(
            chance.gauss(logit, differ),
            chance.gauss(0, drift),
            math.log(median) + chance.gauss(0, log_differ),
            chance.gauss(0, log_drift),
            chance.random() < terms.down_s / (terms.up_s + terms.down_s),
        )

    def _spread(self, of: Spread, count: int) -> list[float]:
        """Draw evenly over the logs, so that no seed is much harder than another."""
        low, high = of
        drawn = [low * (high / low) ** ((k + self._random.random()) / count) for k in range(count)]
        self._random.shuffle(drawn)
        return drawn

    def _drift(self, now: float) -> None:
        terms, chance = self.terms, self._random
        kept = math.exp(-STEP_S / terms.relax_s)
        new = math.sqrt(1 - kept * kept)
        while self._stepped + STEP_S <= now:
            self._stepped += STEP_S
            for proxy in self.proxies:
                proxy.drift = proxy.drift * kept + chance.gauss(0, terms.logit[2]) * new
                proxy.log_drift = proxy.log_drift * kept + chance.gauss(0, terms.answer[2]) * new
                if chance.random() < STEP_S / (terms.down_s if proxy.dead else terms.up_s):
                    proxy.dead = not proxy.dead


class Policy(Protocol):
    """Whoever picks. `worker` is the process that asks; a ticket is whatever `report` is to have back."""

    async def pick(self, now: float, worker: int, site: int) -> tuple[int, object] | None: ...

    async def report(self, now: float, ticket: object, outcome: str, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run. `seconds`: the time of all requests, also those that failed, for each success."""

    requests: int
    success: float
    seconds: float
    banned: float
    waited: float  #: for each success, in seconds


async def run(terms: Terms, seed: int, policy: Policy) -> Result:
    """Let every slot make one request after another, each for a site by lot."""
    world, chance = World(terms, seed), random.Random(f"{seed} sites")
    counts: Counter[str] = Counter()
    spent = waited = 0.0
    turn = terms.slots
    due: list[tuple[float, int, int, tuple[int, object, str, float] | None]]
    due = [(slot * 0.05, slot, slot % terms.workers, None) for slot in range(terms.slots)]
    while due and due[0][0] <= terms.seconds:
        now, _, worker, ended = heapq.heappop(due)
        if ended:
            proxy, ticket, outcome, seconds = ended
            world.proxies[proxy].in_flight -= 1
            counts[outcome] += 1
            spent += seconds
            await policy.report(now, ticket, outcome, seconds)
        site = chance.randrange(terms.sites)
        found = await policy.pick(now, worker, site)
        turn += 1
        if found is None:
            waited += LOOK_AGAIN_S
            heapq.heappush(due, (now + LOOK_AGAIN_S, turn, worker, None))
            continue
        proxy, ticket = found
        outcome, seconds = world.ask(now, proxy, site)
        world.proxies[proxy].in_flight += 1
        heapq.heappush(due, (now + seconds, turn, worker, (proxy, ticket, outcome, seconds)))
    requests, ok = counts.total(), counts["ok"]
    return Result(requests, ok / requests, spent / ok, counts["banned"] / requests, waited / ok)
