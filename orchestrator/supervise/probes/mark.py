"""A service that proves itself: the mark that it writes, and what its canary says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core import mark
from orchestrator.supervise.probes.result import ProbeResult, milliseconds

if TYPE_CHECKING:
    from orchestrator.supervise.service import ProbeSpec


class MarkProbe:
    """Reads the mark that the service writes about itself, and judges its age and its canary."""

    def __init__(self, spec: ProbeSpec) -> None:
        self._spec = spec
        self._result: ProbeResult | None = None

    def reset(self, *, fresh: bool) -> None:
        """A mark names the start that wrote it."""

    def begin(self, now: float, launch: str) -> None:
        """Read the file; the answer is there at once."""
        facts = mark.read(Path(self._spec.target))
        self._result = judge_mark(facts, launch, now, self._spec.max_age_s)

    def poll(self, now: float) -> ProbeResult | None:  # noqa: ARG002  (the answer is there)
        """What `begin` found."""
        return self._result

    def cancel(self) -> None:
        """Nothing is open."""


def judge_mark(
    facts: dict[str, object] | None, launch: str, now: float, max_age_s: float
) -> ProbeResult:
    """Decide what a mark says: not there yet, of an earlier start, too old, deaf, or fine.

    A canary on its way is judged only while the service shows a free slot: a busy worker is not deaf.
    """
    if not facts or facts.get("launch") != launch:
        return ProbeResult(ok=False, error="no mark yet", absent=True)
    age = now - _number(facts.get("at"))
    if age > max_age_s:
        return ProbeResult(ok=False, error=f"no sign of life for {age:.0f} s")
    free = _number(facts.get("slots", 1)) - _number(facts.get("active", 0))
    waits = _number(facts.get("canary_waits_s", 0))
    if free > 0 and waits > max_age_s:
        return ProbeResult(ok=False, error=f"takes no work: a canary waits since {waits:.0f} s")
    return ProbeResult(ok=True, latency_ms=milliseconds(age))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
