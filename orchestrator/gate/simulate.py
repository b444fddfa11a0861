"""What the gate would let pass when: tried over `LocalStore`, on a clock that only events move."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.gate.gate import LINE_LOOK_S, SLEPT_LONG_S
from orchestrator.gate.local import LocalStore
from orchestrator.gate.permit import Ask, Grant, Report, Verdict

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Generator, Iterable, Iterator

    from orchestrator.gate.limits import Limits
    from orchestrator.gate.permit import Reason

_SECOND = 1_000_000
_SITE = "site"
#: Not at 0, which says "never" in many places.
_BEGIN_US = _SECOND
_FOREVER_S = 1e9


@dataclass(frozen=True, slots=True)
class Answers:
    """How the site answers: after `latency_s`, and every `every`th time (0: never) with `verdict`."""

    latency_s: float = 0.1
    every: int = 0
    verdict: Verdict = Verdict.FAILURE
    retry_after_s: float | None = None

    def to(self, n: int) -> Report:
        """Return what request `n` (1, 2, …) reports."""
        if self.every and n % self.every == 0:
            return Report(self.verdict, self.latency_s, self.retry_after_s)
        return Report(Verdict.OK, self.latency_s)


@dataclass(frozen=True, slots=True)
class Turn:
    """One request: all times in seconds from the start. `refused`: for which reasons, before it passed.

    `admitted_at` is None for one that gave up.
    """

    n: int
    worker: int
    asked_at: float
    admitted_at: float | None
    wait: float
    refused: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Simulation:
    """Every request, in the order of asking."""

    turns: tuple[Turn, ...]

    @property
    def admitted(self) -> list[float]:
        """When requests passed, in order."""
        return sorted(turn.admitted_at for turn in self.turns if turn.admitted_at is not None)

    @property
    def per_second(self) -> float:
        """How many passed each second, from the first one to the last; 0 when no time passed."""
        times = self.admitted
        length = times[-1] - times[0] if times else 0.0
        return (len(times) - 1) / length if length else 0.0

    @property
    def worst_second(self) -> int:
        """The most that passed within any second, wherever it begins."""
        times = [round(at * _SECOND) for at in self.admitted]
        worst = first = 0
        for nth, at in enumerate(times):
            while at - times[first] >= _SECOND:
                first += 1
            worst = max(worst, nth - first + 1)
        return worst

    @property
    def longest_wait(self) -> float:
        """How long one waited at most, in seconds."""
        return max((turn.wait for turn in self.turns), default=0.0)


def simulate(
    limits: Limits,
    requests: int,
    workers: int,
    *,
    answers: Answers | Callable[[int], Report] = Answers(),
    hosts: tuple[str, ...] = ("host",),
    max_wait_s: float = 86_400.0,
) -> Simulation:
    """Let `workers` make so many requests, to `hosts` in turn, each as soon as its last one was answered.

    Nothing sleeps and nothing is drawn by chance: the same arguments say the same. A worker that is
    refused asks again as `Gate.enter` does, and gives up after `max_wait_s`.

    Raises:
        ValueError: fewer than one worker, or one host.
    """
    if workers < 1 or not hosts:
        raise ValueError("workers and hosts must be at least 1")
    answer = answers.to if isinstance(answers, Answers) else answers
    each = zip(range(1, requests + 1), itertools.cycle(hosts), strict=False)
    return _Play(limits, answer, round(max_wait_s * _SECOND)).run(each, workers)


class _Now:
    """A `Clock` that stands still between events."""

    def __init__(self) -> None:
        self.us = _BEGIN_US

    def monotonic(self) -> float:
        return self.us / _SECOND

    wall = monotonic

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError  # only events move it

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        raise NotImplementedError


class _Play:
    """Workers as generators, which yield for how many µs they wait; whoever is called goes on at once."""

    def __init__(self, limits: Limits, answer: Callable[[int], Report], max_wait_us: int) -> None:
        # Nobody dies here, so nobody needs to renew a lease.
        self._limits = replace(limits, lease_s=_FOREVER_S)
        self._answer = answer
        self._max_wait = max_wait_us
        self._clock = _Now()
        self._store = LocalStore(self._clock, chance=lambda: 0.5)
        #: (when, in which order, worker, which of its waits)
        self._events: list[tuple[int, int, int, int]] = []
        self._order = itertools.count()
        self._waits: list[int] = []
        self._turns: list[Turn] = []

    def run(self, requests: Iterable[tuple[int, str]], workers: int) -> Simulation:
        left = iter(requests)
        at_work = [self._work(worker, left) for worker in range(workers)]
        self._waits = [0] * workers
        for worker in range(workers):
            self._wake(worker, 0)
        while self._events:
            at, _, worker, nth = heapq.heappop(self._events)
            if nth != self._waits[worker]:  # it was called meanwhile
                continue
            self._clock.us = at
            self._waits[worker] += 1
            wait = next(at_work[worker], None)
            if wait is not None:
                self._wake(worker, wait)
        return Simulation(tuple(sorted(self._turns, key=lambda turn: turn.n)))

    def _wake(self, worker: int, after: int) -> None:
        event = (self._clock.us + after, next(self._order), worker, self._waits[worker])
        heapq.heappush(self._events, event)

    def _work(self, worker: int, requests: Iterator[tuple[int, str]]) -> Iterator[int]:
        for n, host in requests:
            ask = Ask(_SITE, host, self._store.holder(host), queues=True)
            end_calls = self._store.on_call(ask, lambda: self._wake(worker, 0))
            asked = self._clock.us
            refused: list[Reason] = []
            grant = yield from self._enter(ask, refused)
            end_calls()
            at = self._clock.us
            self._turns.append(
                Turn(
                    *(n, worker, _seconds(asked), _seconds(at) if grant else None),
                    *((at - asked) / _SECOND, tuple(dict.fromkeys(refused))),
                )
            )
            if grant:
                report = self._answer(n)
                yield round((report.latency_s or 0.0) * _SECOND)
                self._store.leave(grant, report, self._limits)

    def _enter(self, ask: Ask, refused: list[Reason]) -> Generator[int, None, Grant | None]:
        """Ask as `Gate.steps` does."""
        until = self._clock.us + self._max_wait
        while True:
            left = until - self._clock.us
            answer = self._store.enter(ask._replace(max_wait_us=left), self._limits)
            if isinstance(answer, Grant):
                yield answer.wait_us
                if not self._closed_meanwhile(answer, refused):
                    return answer
                ask = ask._replace(since=0)
                continue
            refused.append(answer.reason)
            ask = ask._replace(since=answer.since)
            wait = round((LINE_LOOK_S if answer.since else answer.wait_s) * _SECOND)
            if left <= 0 or (wait > left and not answer.since):
                self._store.quit(ask, self._limits)
                return None
            yield min(wait, left)

    def _closed_meanwhile(self, grant: Grant, refused: list[Reason]) -> bool:
        """Whether the site has closed while a request slept until its turn, which is then not used."""
        standing = self._store.look(_SITE)
        long = grant.wait_us >= SLEPT_LONG_S * _SECOND and not grant.trial
        if not long or not standing.rest_s or not standing.reason:
            return False
        refused.append(standing.reason)
        self._store.leave(grant, Report(Verdict.UNUSED), self._limits)
        return True


def _seconds(us: int) -> float:
    """From the start."""
    return (us - _BEGIN_US) / _SECOND
