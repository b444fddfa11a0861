"""How a job without a page left, or without time, has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core import duration
from sites.extract.lacking import lacking
from sites.job.state import JobState, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.queue.model import Stats
    from sites.definition.definition import Definition
    from sites.job.job import Job


def ending(stats: Stats, definition: Definition, record: Mapping[str, str]) -> tuple[JobState, str]:
    """Return the state that a job ends in, by its frontier and its record, and what people should know."""
    reasons = []
    if stats.refused:
        reasons.append(f"limits.pages = {definition.limits.pages} was reached")
    if stats.live and record.get("over"):
        reasons.append(record["over"])
    lacks = lacking(record, definition.item)
    state = outcome(stats.done, stats.error + bool(reasons) + bool(lacks))
    return state, "; ".join([*reasons, *filter(None, [lacks])])


def out_of_time(job: Job, definition: Definition, now: float) -> str:
    """Say which bound of time a job has reached; "" for none."""
    most = definition.limits.time
    if most is None or job.state is not JobState.RUNNING or job.begun_at is None:
        return ""
    return f"limits.time = {duration.show(most)} was reached" if now - job.begun_at >= most else ""
