"""The pages of a job in numbers, as its status tells them whoever crawls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.queue.model import Stats
    from sites.job.job import Job


def counts(job: Job, stats: Stats) -> dict[str, int]:
    """Return `pages_*` and `items` of a row of `orch sites status --json`."""
    return {
        "pages_known": stats.total,
        "pages_done": stats.done,
        "pages_failed": stats.error,
        "pages_skipped": stats.skipped,
        "pages_blocked": job.blocked,
        "pages_unchanged": job.unchanged,
        "items": job.items,
    }
