"""Jobs that stand still: since when, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.core import duration
from sites.job.state import WORKED

if TYPE_CHECKING:
    from orchestrator.queue.model import Stats
    from sites.job.job import Job

#: For jobs of an older version, in seconds.
DEFAULT_S = 600.0


def ended(stats: Stats) -> int:
    """Count the pages that have ended, however they did."""
    return stats.done + stats.error + stats.skipped


def standing_for(job: Job, pages: int, now: float) -> float:
    """Return for how many seconds no page of `job` has ended, as far as it was looked at; 0: it goes on.

    `pages` have ended by `now` (on the server's clock).
    """
    if job.state not in WORKED or job.moved_at is None or pages != job.moved:
        return 0.0
    return max(0.0, now - job.moved_at)


def stalled(job: Job, pages: int, now: float, why: str) -> str:
    """Say that a job is stalled, by the limit of its site's file; "" when it is not. `why` may be known."""
    still = standing_for(job, pages, now)
    if still < float(json.loads(job.definition).get("stall", DEFAULT_S)):
        return ""
    told = f"no page has ended for {duration.show(still)}"
    return f"{told}: {why}" if why else told
