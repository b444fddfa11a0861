"""Results of runs that never were, in a real file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sites.job.state import JobState
from sites.results.outcome import Entry, Outcome, Standing
from sites.results.output import Results

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def job_id(number: int) -> str:
    return f"{number:012x}"


def page(job: int, name: str, items: Iterable[Mapping[str, Any]] = (), **more: Any) -> Entry:
    """A page of a job as the drain reads it; `state`, `kind`, `key` and so on may be said."""
    facts = {"state": "done", "fetched_at": float(job)} | more
    url = f"http://shop.example/{name}"
    outcome = Outcome(url, items=[dict(item) for item in items], **facts)
    return Entry("1-0", "shop", job_id(job), outcome)


def ended(job: int, state: str = "done", *, at: float | None = None, reason: str = "") -> Entry:
    """The end of a job, at `at` seconds since 1970."""
    standing = Standing(JobState(state), float(job) if at is None else at, float(job), reason)
    return Entry(f"{job}-1", "shop", job_id(job), standing)


def written(path: Path, *entries: Entry) -> Path:
    with Results(path, write=True) as results:
        results.put(entries)
    return path
