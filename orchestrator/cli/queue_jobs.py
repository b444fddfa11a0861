"""What people and programs see of jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.cli import moment
from orchestrator.cli.queue_tables import printable
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM
from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.queue.model import Job


def rows(jobs: Sequence[Job]) -> list[list[str]]:
    """A heading and the rows of `orch queue list`; columns that are empty throughout are left out."""
    now = SYSTEM.wall()
    found = [["id", "state", "key", "host", "prio", "tries", "when", "worker", "reason"]]
    found += [
        [
            *(job.id, job.state.replace("_", " "), job.key, job.host, str(job.priority or "")),
            *(str(job.attempts or ""), _when(job, now), holder(job) or "", job.reason),
        ]
        for job in jobs
    ]
    kept = [place for place in range(9) if place == 0 or any(row[place] for row in found[1:])]
    return [[printable(row[place]) for place in kept] for row in found]


def holder(job: Job) -> str | None:
    """Who has the lease of a job that is in progress; None: it is not."""
    return job.history[-1].worker if job.state is QueueState.IN_PROGRESS and job.history else None


def _when(job: Job, now: float) -> str:
    if job.ended_at is not None:
        return f"{_about(now - job.ended_at)} ago"
    if job.lease_until is not None:
        left = job.lease_until - now
        return f"{_about(left)} left" if left > 0 else "lease ran out"
    if job.not_before is not None and job.not_before > now:
        return f"in {_about(job.not_before - now)}"
    return f"{_about(now - job.enqueued_at)} ago"


def _about(seconds: float) -> str:
    """The larger unit is enough."""
    return " ".join(duration.show(max(0.0, seconds)).split()[:2])


def as_json(job: Job, *, whole: bool = True) -> dict[str, Any]:
    """A job for programs; payload, result and history only when it is the `whole`."""
    names = ("id", "state", "key", "host", "priority", "attempts", "enqueued_at", "not_before")
    found = {name: getattr(job, name) for name in (*names, "lease_until", "ended_at", "reason")}
    found["worker"] = holder(job)
    if whole:
        found["payload"] = _value(job.payload)
        found["result"] = _value(job.result)
        found["history"] = history(job)
    return found


def history(job: Job) -> list[dict[str, Any]]:
    """Its last attempts, for programs."""
    return [{"at": each.at, "worker": each.worker, "error": each.error} for each in job.history]


def _value(text: str | None) -> Any:
    """What the JSON text says; one that is none, which somebody else wrote, as it is."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def facts(job: Job) -> str:
    """All about a job, line by line."""
    found: Mapping[str, Any] = as_json(job)
    lines = []
    for name, value in found.items():
        if name == "history" or value is None or value == "":
            continue
        lines.append(f"{name}: {printable(_as_text(name, value))}")
    for attempt in job.history:
        told = attempt.error or ("runs" if job.state is QueueState.IN_PROGRESS else "no error")
        who = f" by {attempt.worker}" if attempt.worker else ""
        lines.append(printable(f"attempt at {moment.local(attempt.at)}{who}: {told}"))
    return "\n".join(lines)


def _as_text(name: str, value: Any) -> str:
    if name in {"enqueued_at", "not_before", "lease_until", "ended_at"}:
        return moment.local(value)
    return json.dumps(value, ensure_ascii=False) if name in {"payload", "result"} else str(value)
