"""What became of a job's attempts, as JSON in its row: only the failures are written."""

from __future__ import annotations

import json

from orchestrator.queue.model import HISTORY, Attempt
from orchestrator.queue.sqlite.states import Place

RAN_OUT = "lease ran out"


def appended(history: str, started: int | None, worker: str, error: str) -> str:
    """Add a failed attempt that began at `started`; None: there is none to add."""
    if started is None:
        return history
    entries = [*(json.loads(history) if history else ()), [started, worker, error]]
    return json.dumps(entries[-HISTORY:], ensure_ascii=False, separators=(",", ":"))


def last_error(history: str) -> str:
    """The last one that somebody told, and not only a lease that ran out; "": none."""
    errors = [error for _, _, error in (json.loads(history) if history else ())]
    return next((error for error in reversed(errors) if error != RAN_OUT), "")


def attempts(
    history: str, started: int | None, worker: str, place: int, reason: str
) -> tuple[Attempt, ...]:
    """The last attempts, with the one that is under way or was the last."""
    error = reason if place == Place.ERROR else ""
    entries = [*(json.loads(history) if history else ())]
    if started is not None:
        entries.append([started, worker, error])
    return tuple(Attempt(at / 1000, who, why) for at, who, why in entries[-HISTORY:])
