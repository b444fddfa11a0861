"""Clocks that go on only when somebody waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


class FakeClock:
    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, _condition: threading.Condition, seconds: float | None) -> None:
        """Nobody else is there who could notify."""
        assert seconds is not None, "waits for ever"
        self.now += seconds


@dataclass
class BootClock:
    """Seconds since the boot, and the wall clock's time at the boot."""

    boot: float = 1000.0
    offset: float = 1_700_000_000.0

    def monotonic(self) -> float:
        return self.boot

    def wall(self) -> float:
        return self.boot + self.offset

    def sleep(self, seconds: float) -> None:
        self.boot += seconds
