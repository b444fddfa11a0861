"""`orch sites gate SITE --simulate N`: what the gate would let pass when, on a clock of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.cli.console import emit_json, out
from orchestrator.cli.gate_tables import per_second
from orchestrator.cli.queue_tables import number, print_rows
from orchestrator.core import duration
from orchestrator.gate.permit import Report, Verdict
from orchestrator.gate.simulate import simulate

if TYPE_CHECKING:
    from orchestrator.gate.limits import Limits
    from orchestrator.gate.simulate import Simulation, Turn

#: So many requests are shown on a terminal; elsewhere all.
SHOWN = 100


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: so many requests by so many workers at once, and how the site answers.

    Every `limited_every`th time it says that it is too much, and asks for `retry_after_s`; every
    `failed_every`th time it fails; 0 is never.
    """

    requests: int
    workers: int
    latency_s: float
    limited_every: int = 0
    retry_after_s: float | None = None
    failed_every: int = 0

    def answer(self, n: int) -> Report:
        """Return what request `n` (1, 2, …) reports."""
        if self.limited_every and n % self.limited_every == 0:
            return Report(Verdict.LIMITED, self.latency_s, self.retry_after_s)
        if self.failed_every and n % self.failed_every == 0:
            return Report(Verdict.FAILURE, self.latency_s)
        return Report(Verdict.OK, self.latency_s)


def show(site: str, limits: Limits, hosts: tuple[str, ...], trial: Trial, *, as_json: bool) -> None:
    """Try it, and print every request and the sum of all."""
    found = simulate(
        *(limits, trial.requests, trial.workers),
        answers=trial.answer,
        hosts=tuple(dict.fromkeys(map(limits.host_key, hosts))) if limits.by_host else ("host",),
    )
    if as_json:
        emit_json(_as_json(site, limits, trial, found))
        return
    shown = found.turns[:SHOWN] if out.is_terminal else found.turns
    print_rows(_rows(shown))
    if len(shown) < len(found.turns):
        out.print(f"and {len(found.turns) - len(shown)} more, which a pipe or --json has")
    out.print(_summary(found), markup=False)


def _rows(turns: tuple[Turn, ...]) -> list[list[str]]:
    heading = ["request", "worker", "asked at", "passed at", "waited", "refused for"]
    return [
        heading,
        *(
            [
                *(str(turn.n), str(turn.worker + 1), f"{turn.asked_at:.3f}"),
                "never" if turn.admitted_at is None else f"{turn.admitted_at:.3f}",
                *(f"{turn.wait:.3f}", ", ".join(turn.refused)),
            ]
            for turn in turns
        ),
    ]


def _summary(found: Simulation) -> str:
    times = found.admitted
    took = duration.show(times[-1] - times[0]) if times else "0 s"
    reasons = Counter(str(reason) for turn in found.turns for reason in turn.refused)
    parts = [
        f"{len(times)} of {number(len(found.turns), 'request')} passed within {took}",
        f"on average {per_second(found.per_second)}",
        f"at most {found.worst_second} in any second",
        f"longest wait {duration.show(found.longest_wait)}",
        *(f"{count} refused for {reason}" for reason, count in sorted(reasons.items())),
    ]
    return ", ".join(parts)


def _as_json(site: str, limits: Limits, trial: Trial, found: Simulation) -> dict[str, Any]:
    return {
        "site": site,
        "limits": asdict(limits),
        "trial": asdict(trial),
        "passed": len(found.admitted),
        "per_s": round(found.per_second, 4),
        "worst_second": found.worst_second,
        "longest_wait_s": found.longest_wait,
        "requests": [
            {
                "n": turn.n,
                "worker": turn.worker + 1,
                "asked_at_s": turn.asked_at,
                "passed_at_s": turn.admitted_at,
                "waited_s": turn.wait,
                "refused": [str(reason) for reason in turn.refused],
            }
            for turn in found.turns
        ],
    }
