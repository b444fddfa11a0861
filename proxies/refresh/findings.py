"""What the chunks of a refresh found, taken together: pure decisions about the new pool."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from proxies.model import Verdict
from proxies.refresh.progress import RefreshStatus

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

#: A chunk's problem begins with this when it could say nothing about any proxy for want of a judge.
JUDGE_UNAVAILABLE = "judge unavailable"
OUT_OF_TIME = "ran out of time"

#: From, up to but not including.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What one chunk found.

    `unchecked` are the places of the candidates that it says nothing about, when it ended before its
    end. With a `problem` and without `unchecked` its failures say nothing at all: they may not be the
    proxies'.
    """

    live: tuple[Verdict, ...] = ()
    reasons: Mapping[str, int] | None = None
    checked: int = 0
    problem: str = ""
    unchecked: tuple[Span, ...] = ()

    @classmethod
    def of(cls, verdicts: Sequence[Verdict], problem: str = "") -> Report:
        """Count what was found."""
        live = tuple(verdict for verdict in verdicts if verdict.live)
        reasons = Counter(verdict.reason for verdict in verdicts if not verdict.live)
        return cls(live, dict(reasons), len(verdicts), problem)

    def part(self, candidates: Sequence[str], checked: Container[str]) -> Report:
        """The same, of a chunk that has not `checked` all of its `candidates` (keys)."""
        left = [place for place, key in enumerate(candidates) if key not in checked]
        return replace(self, unchecked=spans(left))

    @property
    def void(self) -> bool:
        """Whether it decides nothing but that some are live."""
        return bool(self.problem) and not self.unchecked

    def as_json(self) -> dict[str, Any]:
        """Return the form that is kept in Redis."""
        return {
            "live": [verdict.as_json() for verdict in self.live],
            "reasons": dict(self.reasons or {}),
            "checked": self.checked,
            "problem": self.problem,
            "unchecked": [list(span) for span in self.unchecked],
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Report:
        """Read it back, also from a worker of an earlier version."""
        return cls(
            tuple(Verdict.from_json(verdict) for verdict in facts["live"]),
            facts["reasons"],
            facts["checked"],
            facts["problem"],
            tuple((first, last) for first, last in facts.get("unchecked", ())),
        )


@dataclass(frozen=True, slots=True)
class Findings:
    """All reports of a refresh of `total` chunks, of which so many usable proxies were wanted (0: all)."""

    total: int
    reports: Mapping[int, Report] = field(default_factory=dict)
    want: int = 0

    @property
    def missing(self) -> int:
        """How many chunks did not report."""
        return self.total - len(self.reports)

    @property
    def live(self) -> tuple[Verdict, ...]:
        """Every live proxy."""
        return tuple(verdict for report in self.reports.values() for verdict in report.live)

    @property
    def checked(self) -> int:
        """How many candidates were checked."""
        return sum(report.checked for report in self.reports.values())

    @property
    def early(self) -> bool:
        """Whether it ended as soon as enough were found: then nothing is missing."""
        return 0 < self.want <= sum(verdict.usable for verdict in self.live)

    @property
    def problems(self) -> tuple[str, ...]:
        """Every problem once."""
        found = [report.problem for report in self.reports.values() if report.problem]
        if not self.early:
            if self.missing:
                found.append(f"{self.missing} of {self.total} chunks did not report")
            if any(report.unchecked and not report.problem for report in self.reports.values()):
                found.append("chunks ended early, and others lost what they had found")
        return tuple(dict.fromkeys(found))

    @property
    def undecided(self) -> dict[int, tuple[Span, ...] | None]:
        """What keeps its old verdicts: the places in each chunk, None for all of it."""
        found: dict[int, tuple[Span, ...] | None] = {}
        for index in range(self.total):
            report = self.reports.get(index)
            if report is None or report.void:
                found[index] = None
            elif report.unchecked:
                found[index] = report.unchecked
        return found

    @property
    def status(self) -> RefreshStatus:
        """How the refresh ends.

        FAILED when nothing at all was found out, PARTIAL when something is missing. Nothing to check
        is COMPLETE, and so is one that found as many as were wanted.
        """
        if self.early or not self.undecided:
            return RefreshStatus.COMPLETE
        if not self.live and not any(_decides(report) for report in self.reports.values()):
            return RefreshStatus.FAILED
        return RefreshStatus.PARTIAL

    @property
    def reasons(self) -> dict[str, int]:
        """Why proxies are not live, the most frequent reason first."""
        counted: Counter[str] = Counter()
        for report in self.reports.values():
            if not report.void:
                counted.update(report.reasons or {})
        return dict(counted.most_common())


def spans(places: Sequence[int]) -> tuple[Span, ...]:
    """Ascending numbers as ranges.

    >>> spans([0, 1, 2, 7, 9, 10])
    ((0, 3), (7, 8), (9, 11))
    """
    if not places:
        return ()
    firsts = [places[0], *(after for before, after in pairwise(places) if after != before + 1)]
    lasts = [before for before, after in pairwise(places) if after != before + 1] + [places[-1]]
    return tuple((first, last + 1) for first, last in zip(firsts, lasts, strict=True))


def _decides(report: Report) -> bool:
    return not report.void and report.checked > 0
