"""A service that proves itself: the mark that it writes, and what its canary says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core import mark
from orchestrator.supervise.probes.result import ProbeResult

if TYPE_CHECKING:
    from orchestrator.supervise.service import ProbeSpec


#: What is owed is judged at this part of a mark's age, because it is noticed one look later.
OWED_PART = 0.7


class MarkProbe:
    """Reads the mark that the service writes about itself, and judges its age and its canary."""

    def __init__(self, spec: ProbeSpec) -> None:
        self._spec = spec
        self._path = Path(spec.target)
        self._result: ProbeResult | None = None
        self._started = False

    def reset(self, *, fresh: bool) -> None:  # noqa: ARG002  (a mark names the start that wrote it)
        """It has to become ready (again)."""
        self._started = False

    def begin(self, now: float, launch: str) -> None:
        """Read the file; the answer is there at once."""
        facts = mark.read(self._path)
        found = judge_mark(facts, launch, now, self._spec.max_age_s)
        if found.ok and found.error and self._started:
            found = ProbeResult(ok=False, alive=True, error=found.error)
        self._started = self._started or found.ok
        self._result = found

    def poll(self, now: float) -> ProbeResult | None:  # noqa: ARG002  (the answer is there)
        """What `begin` found."""
        return self._result

    def cancel(self) -> None:
        """Nothing is open."""


def judge_mark(
    facts: dict[str, object] | None, launch: str, now: float, max_age_s: float
) -> ProbeResult:
    """Decide what a mark says: not there yet, of an earlier start, too old, of no use, or fine.

    A worker says for how long it has owed what proves it. A canary is judged only while a slot is
    free, the progress of running tasks only while none is: a busy worker is not deaf. A service that
    is well but for some `trouble` (a full disk) is `ok` with an `error`: that holds up no start.
    """
    if not facts or facts.get("launch") != launch:
        return ProbeResult(ok=False, error="no mark yet", absent=True)
    age = now - _number(facts.get("at"))
    if age > max_age_s:
        return ProbeResult(ok=False, error=f"no sign of life for {age:.0f} s")
    for fact, complaint in _complaints(facts):
        owed = _number(facts.get(fact))
        if owed and owed + age > OWED_PART * max_age_s:
            return ProbeResult(ok=False, error=f"{complaint} for {owed + age:.0f} s")
    return ProbeResult(ok=True, error=str(facts.get("trouble") or ""))


def _complaints(facts: dict[str, object]) -> list[tuple[str, str]]:
    """What is judged of a mark: (the fact that says for how long, what is wrong then)."""
    deaf_to = facts.get("deaf_to")
    queues = ", ".join(map(str, deaf_to)) if isinstance(deaf_to, list) else ""
    free = _number(facts.get("slots", 1)) > _number(facts.get("active"))
    return [
        ("deaf_s", f"takes nothing from {queues}"),
        (
            ("canary_waits_s", "takes no work: its canary has been on the way")
            if free
            else ("stalled_s", "none of its running tasks has got on")
        ),
    ]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
