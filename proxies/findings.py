"""What the chunks of a refresh found, taken together: pure decisions about the new pool."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxies.model import Verdict
from proxies.progress import RefreshStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A chunk's problem begins with this when it could say nothing about any proxy for want of a judge.
JUDGE_UNAVAILABLE = "judge unavailable"


@dataclass(frozen=True, slots=True)
class Report:
    """What one chunk found. With a `problem` its failures say nothing: they may not be the proxies'."""

    live: tuple[Verdict, ...] = ()
    reasons: Mapping[str, int] | None = None
    checked: int = 0
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the form that is kept in Redis."""
        return {
            "live": [verdict.as_json() for verdict in self.live],
            "reasons": dict(self.reasons or {}),
            "checked": self.checked,
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Report:
        """Read it back."""
        return cls(
            tuple(Verdict.from_json(verdict) for verdict in facts["live"]),
            facts["reasons"],
            facts["checked"],
            facts["problem"],
        )


@dataclass(frozen=True, slots=True)
class Findings:
    """All reports of a refresh of `total` chunks."""

    total: int
    reports: Mapping[int, Report]

    @property
    def missing(self) -> int:
        """How many chunks did not report."""
        return self.total - len(self.reports)

    @property
    def live(self) -> tuple[Verdict, ...]:
        """Every live proxy."""
        return tuple(verdict for report in self.reports.values() for verdict in report.live)

    @property
    def problems(self) -> tuple[str, ...]:
        """Every problem once."""
        found = [report.problem for report in self.reports.values() if report.problem]
        if self.missing:
            found.append(f"{self.missing} of {self.total} chunks did not report")
        return tuple(dict.fromkeys(found))

    @property
    def undecided(self) -> tuple[int, ...]:
        """The chunks whose proxies keep their old verdicts."""
        return tuple(
            index
            for index in range(self.total)
            if index not in self.reports or self.reports[index].problem
        )

    @property
    def status(self) -> RefreshStatus:
        """How the refresh ends.

        FAILED when nothing at all was found out, PARTIAL when something is missing. Nothing to check
        is COMPLETE.
        """
        if not self.undecided:
            return RefreshStatus.COMPLETE
        if len(self.undecided) == self.total and not self.live:
            return RefreshStatus.FAILED
        return RefreshStatus.PARTIAL

    @property
    def reasons(self) -> dict[str, int]:
        """Why proxies are not live, the most frequent reason first."""
        counted: Counter[str] = Counter()
        for report in self.reports.values():
            if not report.problem:
                counted.update(report.reasons or {})
        return dict(counted.most_common())
