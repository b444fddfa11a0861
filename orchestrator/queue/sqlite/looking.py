"""What is in a queue, for those who only look."""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING, Any

from orchestrator.queue.model import Job, QueueState, Stats
from orchestrator.queue.sqlite.history import attempts
from orchestrator.queue.sqlite.queries import load
from orchestrator.queue.sqlite.states import STATES, Place

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

#: Lanes whose heads are looked at for the oldest job; and for a list, which should not leave any out.
LANES, ALL_LANES = 1000, 100_000
#: Jobs that one step of `page` looks at, and characters of what it returns of them.
PAGE, PAGE_TEXT = 1000, 1_000_000
#: Beyond all numbers.
_TOP = 2**62

_SQL = load("look")
#: Where a list begins: at what is due first, or at the newest.
_START = {"ready": {"turn": -1}, "delayed": {"due": -1, "number": -1}}
_END = {"number": _TOP, "due": _TOP, "turn": _TOP, "fence": _TOP}
_LISTS = {
    None: ("newest",),
    QueueState.QUEUED: ("ready", "delayed"),
    QueueState.IN_PROGRESS: ("leased",),
    QueueState.DONE: ("ended",),
    QueueState.SKIPPED: ("ended",),
    QueueState.ERROR: ("failed",),
}


def job(db: sqlite3.Connection, job_id: str) -> Job | None:
    """All about one job."""
    row = db.execute(_SQL["job"], (job_id,)).fetchone()
    return _job(row) if row else None


def jobs(
    db: sqlite3.Connection,
    state: QueueState | None,
    key: str | None,
    limit: int,
    after: str | None = None,
) -> list[Job]:
    """Some jobs; each is read by itself, so that no look holds up the log.

    Raises:
        ValueError: `after` is no job of this state.
    """
    last = None if after is None else _place_of(db, after, state)
    numbers: list[int] = []
    for query in _LISTS[state]:
        left = max(0, limit) - len(numbers)
        words = {"key": key, "limit": left, "state": _place(state)}
        behind = _behind(query, last)
        if behind and query == "ready":
            numbers += _ready(db, key, left, behind["turn"])
        elif behind:
            numbers += [n for (n,) in db.execute(_SQL[query], {**behind, **words}).fetchall()]
    found = (_by_number(db, number) for number in numbers)
    return [each for each in found if each and state in (None, each.state)]


def newest(db: sqlite3.Connection) -> int:
    """The greatest number that a job has."""
    return int(db.execute(load("enqueue")["newest"]).fetchone()[0])


def page(
    db: sqlite3.Connection, state: QueueState | None, key: str | None, after: int, upto: int
) -> tuple[list[Job], int]:
    """The next jobs behind a number, up to one, and the number behind which to go on: `upto` at the end."""
    found: list[Job] = []
    text = 0
    rows = db.execute(_SQL["some"], (after, upto, PAGE)).fetchall()
    for number, place, of_key in rows:
        if state in (None, STATES[place]) and key in (None, of_key):
            each = _by_number(db, number)
            if each and state in (None, each.state):
                found.append(each)
                text += len(each.payload) + len(each.result or "")
        if text > PAGE_TEXT:
            return found, number
    return found, rows[-1][0] if len(rows) == PAGE else upto


def stats(db: sqlite3.Connection, now: int) -> Stats:
    """Count by state and key; no job is looked at but the heads of some lanes, and leases that ran out."""
    rows = db.execute(_SQL["counts"]).fetchall()
    totals = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    (oldest,) = db.execute(_SQL["oldest"], (LANES,)).fetchone()
    (run_out,) = db.execute(_SQL["run_out"], (now,)).fetchone()
    ready, delayed, leased, done, skipped, error = totals
    return Stats(
        queued=ready + delayed,
        delayed=delayed,
        in_progress=leased,
        done=done,
        skipped=skipped,
        error=error,
        oldest_queued_s=None if oldest is None else max(0.0, (now - oldest) / 1000),
        expired_leases=run_out,
        by_key={key: _by_state(counts) for key, *counts in rows if key and any(counts)},
    )


def next_at(db: sqlite3.Connection, now: int) -> float | None:
    """In how many seconds something is due."""
    due = [at for at in db.execute(_SQL["next"]).fetchone() if at is not None]
    return max(0.0, (min(due) - now) / 1000) if due else None


def arrivals(db: sqlite3.Connection) -> tuple[int, bool]:
    """How often new work came, and whether there is any."""
    came, there_is = db.execute(_SQL["arrivals"]).fetchone()
    return came, bool(there_is)


def limits(db: sqlite3.Connection) -> str:
    """The limits that hold, as JSON."""
    return str(db.execute(_SQL["limits"]).fetchone()[0])


def _place(state: QueueState | None) -> int:
    return STATES.index(state) if state else -1


def _place_of(db: sqlite3.Connection, job_id: str, state: QueueState | None) -> dict[str, int]:
    row = db.execute(_SQL["place"], (job_id,)).fetchone()
    if row is None:
        raise ValueError(f"there is no job {job_id!r}")
    if state not in (None, STATES[row[0]]):
        raise ValueError(f"the job {job_id!r} is {STATES[row[0]]}, and not in this list")
    return dict(zip(("state", "number", "due", "turn", "fence"), row, strict=True))


def _ready(db: sqlite3.Connection, key: str | None, limit: int, turn: int) -> list[int]:
    """Those that are ready, by their turn: the lanes are merged, a few of each at a time."""
    lanes = db.execute(_SQL["lanes"], (key, ALL_LANES)).fetchall()
    some = 2 + limit // max(1, len(lanes))

    def of(lane: tuple[int, str, str]) -> Iterator[tuple[int, int]]:
        after = turn
        while rows := db.execute(_SQL["ready"], (*lane, after, some)).fetchall():
            yield from rows
            after = rows[-1][0]

    return [number for _, number in islice(merge(*map(of, lanes)), limit)]


def _behind(query: str, last: dict[str, int] | None) -> dict[str, int] | None:
    """Where a list goes on; None: not at all, the last job was in the next one."""
    if last is None or (query == "delayed" and last["state"] == Place.READY):
        return _START.get(query, _END)
    return None if query == "ready" and last["state"] == Place.DELAYED else last


def _by_number(db: sqlite3.Connection, number: int) -> Job | None:
    row = db.execute(_SQL["by_number"], (number,)).fetchone()
    return _job(row) if row else None


def _by_state(counts: list[int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for state, count in zip(STATES, counts, strict=True):
        if count:
            found[state.value] = found.get(state.value, 0) + count
    return found


def _job(row: tuple[Any, ...]) -> Job:
    (_, job_id, place, payload, key, host, priority, tried, enqueued, due, *more) = row
    started, worker, reason, history, result = more
    return Job(
        id=job_id,
        state=STATES[place],
        payload=payload,
        key=key,
        host=host,
        priority=priority,
        attempts=tried,
        enqueued_at=enqueued / 1000,
        not_before=due / 1000 if place == Place.DELAYED else None,
        lease_until=due / 1000 if place == Place.LEASED else None,
        ended_at=due / 1000 if place >= Place.DONE else None,
        reason=reason,
        result=result,
        history=attempts(history, started, worker, place, reason),
    )
