"""A page that ended, as far as it takes to queue it anew."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sites.results.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Page:
    """A page that may be queued anew; its depth is that of its last end."""

    url: str
    kind: str
    depth: int = 0

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Page:
        """Read one of the failures of a job."""
        return cls(row["url"], row["kind"], row.get("depth", 0))

    @property
    def facts(self) -> str:
        """What the frontier knows of a page that waits, for one that it has kept nothing of."""
        return json.dumps({"depth": self.depth})

    @property
    def counter(self) -> str:
        """What the page has counted as in the job's record, and does no longer."""
        return Outcome(self.url, "error", kind=self.kind).counter
