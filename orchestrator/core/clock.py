"""Time, injected: the only file that may ask the system for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.core.errors import DeadlinePassed

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

#: The longest single wait, in seconds: the system takes none without end.
_LONGEST_WAIT_S = 86_400.0


class Clock(Protocol):
    """Where time comes from; tests hand in one of their own."""

    def monotonic(self) -> float:
        """Seconds since some fixed point; the same for all processes of one boot."""
        ...

    def wall(self) -> float:
        """Seconds since 1970, for people and records only: it may jump."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let this thread wait."""
        ...

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Let this thread, which holds `condition`, wait until it is notified; `seconds` at most.

        It may also return early, for no reason: ask again what was waited for.
        """
        ...


class SystemClock:
    """The machine's own clock."""

    #: Python's own: a request asks for them several times, and each call in between takes as long again.
    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    def sleep(self, seconds: float) -> None:
        """Let this thread wait; nothing for zero or less."""
        if seconds > 0:
            time.sleep(seconds)

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Let this thread wait until `condition` is notified, at most `seconds`, and at most a day."""
        condition.wait(None if seconds is None else min(max(seconds, 0.0), _LONGEST_WAIT_S))


SYSTEM = SystemClock()


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time that is handed down through every stage and fallback.

    No stage makes a clock of its own: it takes the deadline, or a `share` of what is left of it.
    """

    at: float
    clock: Clock = SYSTEM

    @classmethod
    def after(cls, timeout: float, clock: Clock = SYSTEM) -> Deadline:
        """The deadline `timeout` seconds from now."""
        return cls(clock.monotonic() + timeout, clock)

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock.monotonic())

    @property
    def passed(self) -> bool:
        """Whether nothing is left."""
        return self.remaining() <= 0

    def share(self, part: float) -> Deadline:
        """An earlier deadline, after `part` (0..1) of what is left."""
        return Deadline(self.clock.monotonic() + self.remaining() * part, self.clock)

    def cap(self, seconds: float) -> float:
        """What is left, but at most `seconds`: the timeout for one step of a longer wait."""
        return min(seconds, self.remaining())

    def require(self, what: str) -> None:
        """Raise `DeadlinePassed` naming `what` when nothing is left."""
        if self.passed:
            raise DeadlinePassed(f"the deadline passed: {what}")


def wait_until(condition: Callable[[], bool], deadline: Deadline, *, every: float = 0.05) -> bool:
    """Poll `condition` every `every` seconds; tell whether it came true before the deadline."""
    while not condition():
        if deadline.passed:
            return False
        deadline.clock.sleep(deadline.cap(every))
    return True
