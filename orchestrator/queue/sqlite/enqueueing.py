"""How jobs come in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.queue.model import OnConflict
from orchestrator.queue.sqlite.history import appended
from orchestrator.queue.sqlite.queries import load
from orchestrator.queue.sqlite.states import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.queue.model import NewJob
    from orchestrator.queue.sqlite.turn import Turn

#: Characters of a payload that stands in the row of its job, to be written again whenever that moves.
INLINE = 1500

_SQL = load("enqueue")
_ADD, _ADD_BODY, _NEWEST, _ADDED = (_SQL[name] for name in ("add", "add_body", "newest", "added"))
_KNOWN, _CHANGE, _RENEW = (_SQL[name] for name in ("known", "change", "renew"))
_FORGET_BODY = _SQL["forget_body"]


def enqueue(turn: Turn, jobs: Sequence[NewJob], on_conflict: OnConflict) -> int:
    """Add jobs; return how many were new, or queued anew."""
    if on_conflict is OnConflict.IGNORE:
        return _add(turn, jobs)
    renew = on_conflict is OnConflict.REQUEUE
    return sum(_add(turn, [job]) or _meet(turn, job, renew=renew) for job in jobs)


def _add(turn: Turn, jobs: Sequence[NewJob]) -> int:
    """Add those whose id is not known; return how many."""
    db = turn.db
    if len(jobs) == 1:
        row = _row(turn, jobs[0])
        new = db.execute(_ADD, row).rowcount
        counted: Iterable[Any] = [(*row[2:5], row[1], 1)] if new > 0 else ()
    else:
        (newest,) = db.execute(_NEWEST).fetchone()
        rows = [_row(turn, job) for job in jobs]
        new = db.executemany(_ADD, rows).rowcount
        if new == len(rows):
            found = Counter([(*row[2:5], row[1]) for row in rows])
            counted = [(*place, count) for place, count in found.items()]
        else:
            counted = db.execute(_ADDED, (newest,)).fetchall()
    if new <= 0:
        return 0
    for job in jobs:
        if len(job.payload) > INLINE:
            db.execute(_ADD_BODY, {"payload": job.payload, "id": job.id})
    _settle(turn, counted)
    return new


def _settle(turn: Turn, counted: Iterable[tuple[int, str, str, int, int]]) -> None:
    lanes = []
    for priority, key, host, place, count in counted:
        turn.move(key, None, place, count)
        if place == Place.READY:
            lanes.append((priority, key, host))
    if lanes:
        turn.line_up(lanes)


def _row(turn: Turn, job: NewJob) -> tuple[Any, ...]:
    now = turn.now
    delay = round(job.delay * 1000)
    place, due = (1, now + delay) if delay > 0 else (0, now)
    payload = job.payload if len(job.payload) <= INLINE else None
    return (job.id, place, job.priority, job.key, job.host, turn.draw(), due, now, payload)


def _meet(turn: Turn, job: NewJob, *, renew: bool) -> int:
    """Let a job whose id is known change the one that is there; return 1 when that is queued anew."""
    db = turn.db
    number, was, priority, key, host, before, since, *last = db.execute(
        _KNOWN, (job.id,)
    ).fetchone()
    if was == Place.LEASED or (was > Place.LEASED and not renew):
        return 0
    left = max(0, since - turn.now) / 1000  # only what is delayed is due later
    job = _with_kept(job, {"priority": priority, "key": key, "host": host, "delay": left})
    _, place, *lane, after, due, now, payload = _row(turn, job)
    if was == place == Place.READY:
        after, due = before, since  # it has come already
    contents = (place, *lane, after, due, "payload" in job.keep, payload)
    if was > Place.LEASED:
        db.execute(_RENEW, (*contents, now, _remembered(was, *last), number))
    else:
        db.execute(_CHANGE, (*contents, number))
    if "payload" not in job.keep:
        _change_body(turn, job, number)
    turn.move(key, was, None)
    turn.move(job.key, None, place)
    if place == Place.READY and (was != place or [priority, key, host] != lane):
        turn.line_up([(job.priority, job.key, job.host)])
    return int(was > Place.LEASED)


def _with_kept(job: NewJob, known: Mapping[str, Any]) -> NewJob:
    """The job with those values of the known one that it keeps."""
    kept = {name: value for name, value in known.items() if name in job.keep}
    return replace(job, **kept) if kept else job


def _change_body(turn: Turn, job: NewJob, number: int) -> None:
    turn.db.execute(_FORGET_BODY, (number,))
    if len(job.payload) > INLINE:
        turn.db.execute(_ADD_BODY, {"payload": job.payload, "id": job.id})


def _remembered(was: int, started: int | None, worker: str, reason: str, history: str) -> str:
    """The history of a job that has ended, its last attempt with it."""
    return appended(history, started, worker, reason if was == Place.ERROR else "")
