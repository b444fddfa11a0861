"""What a probe found, and what every probe can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found: `ok` is ready; `alive` without `ok` is busy (a Redis that loads its data).

    `stranger` means that something answered which is not what we look for.
    """

    ok: bool
    error: str = ""
    alive: bool = False
    absent: bool = False
    stranger: bool = False
    latency_ms: float | None = None


class Probe(Protocol):
    """One question at a time: `begin`, then `poll` until there is a result."""

    def reset(self, *, fresh: bool) -> None:
        """What is asked from now on is another start (`fresh`), or one that runs already."""
        ...

    def begin(self, now: float, launch: str) -> None:
        """Ask; `launch` names the start of the service that must answer."""
        ...

    def poll(self, now: float) -> ProbeResult | None:
        """The answer, or None while it may still come."""
        ...

    def cancel(self) -> None:
        """Forget the question."""
        ...


def milliseconds(seconds: float) -> float:
    """A latency as `orch status --json` shows it."""
    return round(seconds * 1000, 2)
