"""A rate for the threads of one process: each is told its exact time, in order of arrival."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.errors import RateLimited
from orchestrator.queue.schedule import Place, Schedule
from orchestrator.queue.waits import Histogram, Waits

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenBucket:
    """`rate` tokens a second, and `burst` at once after a rest. Threads share one.

    Who comes first goes first, at a time that is fixed on arrival: only a refund, somebody in front who
    gives up, or another rate move it. A thread that wakes up late takes nobody else's time.

    >>> bucket = TokenBucket(rate=0.5, burst=2)
    >>> bucket.take(), bucket.take()
    (0.0, 0.0)
    >>> bucket.take(timeout=1)
    Traceback (most recent call last):
    orchestrator.core.errors.RateLimited: rate limit: wait 2.00 s

    Raises:
        ValueError: a rate or a burst that nothing passes.
    """

    def __init__(
        self, rate: float, burst: int = 1, clock: Clock = SYSTEM, *, name: str = "rate limit"
    ) -> None:
        self._clock = clock
        self._name = name
        self._moved = threading.Condition(threading.Lock())
        self._schedule = Schedule(rate, burst, clock.monotonic())
        self._waits = Histogram()

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self._schedule.rate

    @property
    def burst(self) -> int:
        """How many tokens at once after a rest; also the most that one call may take."""
        return self._schedule.burst

    @property
    def waiting(self) -> int:
        """How many threads and reservations are in line."""
        with self._moved:
            return self._schedule.waiting

    @property
    def waits(self) -> Waits:
        """How long was waited up to now: by `take` as it was, by `reserve` as it was told."""
        with self._moved:
            return self._waits.snapshot()

    def take(self, n: int = 1, timeout: float | None = None) -> float:
        """Wait for `n` tokens; return how many seconds it took.

        Raises:
            RateLimited: it would take longer than `timeout` seconds, or `set_rate` made it so; its `wait`
                says how long. Nothing is taken.
            ValueError: more than the bucket ever holds.
        """
        with self._moved:
            start = self._clock.monotonic()
            place = self._schedule.enter(n, start)
            try:
                waited = self._stand(place, start, math.inf if timeout is None else timeout)
            except BaseException:  # also Ctrl+C: those behind move up
                self._leave(place)
                raise
            self._waits.add(waited)
            return waited

    def reserve(self, n: int = 1) -> Reservation:
        """Take a place in line without waiting; the tokens may be used when its `wait()` is over.

        Raises:
            ValueError: more than the bucket ever holds.
        """
        with self._moved:
            now = self._clock.monotonic()
            place = self._schedule.enter(n, now)
            self._waits.add(self._schedule.wait(place, now))
        return Reservation(lambda: self._wait(place), lambda: self._cancel(place))

    def refund(self, n: int = 1) -> None:
        """Give back tokens that were taken just now and not used: who waits moves up.

        Raises:
            ValueError: fewer are out; nothing is changed.
        """
        with self._moved:
            if self._schedule.refund(n, self._clock.monotonic()):
                self._moved.notify_all()

    def set_rate(self, rate: float) -> None:
        """Go on at another rate, also for those who wait.

        Raises:
            ValueError: a rate that nothing passes.
        """
        with self._moved:
            self._schedule.change(rate, self._clock.monotonic())
            self._moved.notify_all()

    def _stand(self, place: Place, start: float, timeout: float) -> float:
        now = start
        while (wait := self._schedule.wait(place, now)) > 0:
            if now + wait > start + timeout:
                raise RateLimited(self._name, wait)
            self._clock.wait(self._moved, wait)
            now = self._clock.monotonic()
        return now - start

    def _wait(self, place: Place) -> float:
        with self._moved:
            return self._schedule.wait(place, self._clock.monotonic())

    def _cancel(self, place: Place) -> None:
        with self._moved:
            self._leave(place)

    def _leave(self, place: Place) -> None:
        if self._schedule.leave(place, self._clock.monotonic()):
            self._moved.notify_all()


class Reservation:
    """A place in the line of a bucket, for who waits by other means, as in an event loop."""

    __slots__ = ("_cancel", "_wait")

    def __init__(self, wait: Callable[[], float], cancel: Callable[[], None]) -> None:
        self._wait = wait
        self._cancel: Callable[[], None] | None = cancel

    def wait(self) -> float:
        """In how many seconds the tokens may be used; 0.0: now. It may have moved since last asked."""
        return self._wait()

    def cancel(self) -> None:
        """Give the place up, or tokens that were due and not used; a second time does nothing."""
        cancel, self._cancel = self._cancel, None
        if cancel:
            cancel()
