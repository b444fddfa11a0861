"""How a refresh ended, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxies.refresh.progress import RefreshStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

_DONE, _FAILED, _IN_PART = 0, 1, 6


@dataclass(frozen=True, slots=True)
class RefreshOutcome:
    """`usable` is the pool's, now; the rest is what this refresh found.

    `sources` are the reports of `proxies.sources` as dicts, `problems` say what is missing.
    """

    job_id: str
    status: RefreshStatus
    live: int = 0
    usable: int = 0
    candidates: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    sources: tuple[Mapping[str, Any], ...] = ()
    joined: bool = False
    checked: int = 0
    early: bool = False  #: it ended when enough were found

    def exit_code(self, at_least: int = 1) -> int:
        """0 with `at_least` usable proxies, 6 with fewer or when it is PARTIAL, 1 when it FAILED.

        >>> RefreshOutcome("00", RefreshStatus.COMPLETE, usable=1).exit_code(at_least=2)
        6
        """
        if self.status is RefreshStatus.FAILED:
            return _FAILED
        if self.status is RefreshStatus.PARTIAL:
            return _IN_PART
        if self.status is RefreshStatus.COMPLETE and self.usable < at_least:
            return _IN_PART
        return _DONE

    def as_json(self) -> dict[str, Any]:
        """Return the form of `orch proxies refresh --json`."""
        return {
            "job_id": self.job_id,
            "status": str(self.status),
            "live": self.live,
            "usable": self.usable,
            "candidates": self.candidates,
            "checked": self.checked,
            "early": self.early,
            "reasons": dict(self.reasons),
            "problems": list(self.problems),
            "sources": [dict(source) for source in self.sources],
            "joined": self.joined,
        }


@dataclass(frozen=True, slots=True)
class Need:
    """Whether a refresh is needed, and why (not)."""

    needed: bool
    why: str
