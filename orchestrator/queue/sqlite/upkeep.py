"""What is done to many jobs that have ended, a piece at a time so that nobody waits for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.queue.sqlite.history import appended
from orchestrator.queue.sqlite.queries import load
from orchestrator.queue.sqlite.states import Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.queue.sqlite.turn import Turn

#: Jobs that are looked at in one transaction.
PIECE = 1000

_SQL = load("end")


class After(NamedTuple):
    """Where the next piece begins."""

    due: int = -1
    turn: int = -1


class Wanted(NamedTuple):
    """Which failed jobs: of a key (None: any), whose reason has `error`, so many (None: all)."""

    key: str | None
    error: str
    limit: int | None
    #: What ended later, perhaps for a second time, is left alone.
    upto: int

    def fits(self, key: str, turn: int, reason: str) -> bool:
        """Whether a job is one of them."""
        told = self.error.casefold() in reason.casefold()
        return told and self.key in (None, key) and turn <= self.upto


def retry_failed(
    turn: Turn, wanted: Wanted, after: After, *, dry_run: bool
) -> tuple[list[str], After | None]:
    """Queue anew those of the next piece; return their ids, and where to go on."""
    rows = turn.db.execute(_SQL["failed"], (*after, PIECE)).fetchall()
    ids = _again(turn, rows, wanted, dry_run=dry_run)
    return ids, After(*rows[-1][5:7]) if len(rows) == PIECE else None


def retry_these(turn: Turn, wanted: Wanted, ids: Iterable[str], *, dry_run: bool) -> list[str]:
    """Queue anew those of these jobs; return their ids."""
    found = (turn.db.execute(_SQL["failed_of"], (job_id,)).fetchone() for job_id in ids)
    return _again(turn, [row for row in found if row], wanted, dry_run=dry_run)


def prune(
    turn: Turn, before: int, places: Collection[int], after: After
) -> tuple[int, After | None]:
    """Forget those of the next piece that ended before a time; return how many, and where to go on."""
    rows = turn.db.execute(_SQL["ended_before"], (before, *after, PIECE)).fetchall()
    forgotten = [row[:3] for row in rows if row[2] in places]
    _forget(turn, forgotten)
    if len(rows) == PIECE:
        return len(forgotten), After(*rows[-1][3:5])
    _forget_keys(turn)
    return len(forgotten), None


def forget(turn: Turn, ids: Iterable[str]) -> list[str]:
    """Forget those of these jobs that have ended; return their ids."""
    found = [(turn.db.execute(_SQL["ended_of"], (job_id,)).fetchone(), job_id) for job_id in ids]
    _forget(turn, [row for row, _ in found if row])
    _forget_keys(turn)
    return [job_id for row, job_id in found if row]


def _again(
    turn: Turn, rows: Iterable[tuple[Any, ...]], wanted: Wanted, *, dry_run: bool
) -> list[str]:
    found = [row for row in rows if wanted.fits(row[3], row[6], row[9])][: wanted.limit]
    for number, _, priority, key, host, _, _, started, worker, reason, history in found:
        if dry_run:
            break
        again = (turn.draw(), turn.now, appended(history, started, worker, reason), number)
        turn.db.execute(_SQL["again"], again)
        turn.move(key, Place.ERROR, Place.READY)
        turn.line_up([(priority, key, host)])
    return [row[1] for row in found]


def _forget(turn: Turn, jobs: Collection[tuple[int, str, int]]) -> None:
    numbers = [(number,) for number, _, _ in jobs]
    turn.db.executemany(_SQL["forget"], numbers)
    turn.db.executemany(_SQL["forget_body"], numbers)
    for _, key, place in jobs:
        turn.move(key, place, None)


def _forget_keys(turn: Turn) -> None:
    """Those that no job has."""
    turn.save()
    turn.db.execute(_SQL["forget_keys"])
