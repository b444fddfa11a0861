"""Ending a process: milder signals first, each with its time, then KILL."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.supervise.process import Process


class Ladder:
    """The rungs of one stop: (signal name, seconds to wait after it), mildest first."""

    def __init__(self, process: Process, rungs: tuple[tuple[str, float], ...], now: float) -> None:
        self._process = process
        self._rungs = list(rungs)
        self._next_at = now
        self.tick(now)

    def tick(self, now: float) -> None:
        """Take the next rung when its time has come."""
        if now < self._next_at:
            return
        name, wait = self._rungs.pop(0) if self._rungs else ("KILL", 1.0)
        self._process.signal(getattr(signal, f"SIG{name}"))
        # A stopped process takes the signal only when it goes on.
        self._process.signal(signal.SIGCONT)
        self._next_at = now + wait

    def put_off(self, seconds: float) -> None:
        """The next rung comes so much later."""
        self._next_at += seconds

    @property
    def due(self) -> float:
        """When `tick` has something to do again."""
        return self._next_at

    def kill(self) -> None:
        """Jump to the last rung."""
        self._rungs = []
        self._process.signal(signal.SIGKILL)
