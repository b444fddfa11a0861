"""`Store` in one SQLite file; threads and processes may share it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from orchestrator.core.clock import SYSTEM
from orchestrator.queue.model import ENDED, OnConflict
from orchestrator.queue.sqlite import ending, enqueueing, leasing, looking, rota, upkeep
from orchestrator.queue.sqlite.session import Session
from orchestrator.queue.sqlite.states import end

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from orchestrator.core.clock import Clock
    from orchestrator.queue.model import Job, Lease, Limits, NewJob, QueueState, Stats

T = TypeVar("T")

#: New jobs in one transaction.
STEP = 1000
#: Seconds to wait for others who write.
PATIENCE_S = 30.0


class SqliteStore:
    """A queue in the file `path`, which the first write makes.

    `synchronous` is FULL, so that what was acknowledged survives the loss of power, or NORMAL: then it
    survives only the end of any process.
    """

    #: See `Store`.
    shared = ""

    def __init__(
        self,
        path: str | Path,
        *,
        synchronous: str = "FULL",
        clock: Clock = SYSTEM,
        patience: float = PATIENCE_S,
    ) -> None:
        if synchronous not in ("FULL", "NORMAL"):
            raise ValueError(f"synchronous must be FULL or NORMAL, not {synchronous!r}")
        self._session = Session(Path(path).absolute(), synchronous, clock, patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """See `Store`."""
        self._session.close()

    def together(self) -> AbstractContextManager[object]:
        """See `Store`; one transaction for all."""
        return self._session.together()

    def enqueue(self, jobs: Sequence[NewJob], on_conflict: OnConflict = OnConflict.IGNORE) -> int:
        """See `Store`; 1,000 in a transaction."""
        if len(jobs) == 1:  # what is done most
            return self._enqueue(jobs, on_conflict)
        return sum(self._enqueue(piece, on_conflict) for piece in _pieces(jobs))

    def lease(self, n: int, ttl: float, *, worker: str = "", max_attempts: int = 3) -> list[Lease]:
        """See `Store`."""
        with self._session.writing() as turn:
            leases, seen = leasing.lease(turn, n, _ms(ttl), worker, max_attempts)
            self._session.wake.leased(seen)
        return leases

    def heartbeat(self, tokens: Iterable[str], ttl: float) -> list[str]:
        """See `Store`."""
        with self._session.writing() as turn:
            until = turn.now + _ms(ttl)
            return [token for token in tokens if not ending.heartbeat(turn, token, until)]

    def ack(
        self, token: str, state: QueueState, *, reason: str = "", result: str | None = None
    ) -> None:
        """See `Store`."""
        place = end(state)
        with self._session.writing() as turn:
            ending.ack(turn, token, place, reason, result)

    def retry(self, token: str, error: str, delay: float) -> None:
        """See `Store`."""
        with self._session.writing() as turn:
            ending.retry(turn, token, error, _ms(delay))

    def release(self, tokens: Iterable[str], delay: float = 0.0) -> list[str]:
        """See `Store`."""
        with self._session.writing() as turn:
            return [token for token in tokens if not ending.release(turn, token, _ms(delay))]

    def commit(
        self,
        token: str,
        state: QueueState,
        *,
        reason: str = "",
        result: str | None = None,
        new_jobs: Sequence[NewJob] = (),
    ) -> int:
        """See `Store`; what goes ahead does so while the token is current."""
        place = end(state)
        *ahead, last = [*_pieces(new_jobs)] or [()]
        new = 0
        for piece in ahead:
            with self._session.writing() as turn:
                ending.require(turn, token)
                new += enqueueing.enqueue(turn, piece, OnConflict.IGNORE)
        with self._session.writing() as turn:
            ending.ack(turn, token, place, reason, result)
            return new + (enqueueing.enqueue(turn, last, OnConflict.IGNORE) if last else 0)

    def limits(self) -> Limits:
        """See `Store`."""
        with self._session.reading() as (db, _):
            return rota.parsed(looking.limits(db))

    def set_limits(self, limits: Limits) -> None:
        """See `Store`."""
        with self._session.writing() as turn:
            rota.set_limits(turn, limits)

    def stats(self) -> Stats:
        """See `Store`."""
        with self._session.reading() as (db, now):
            return looking.stats(db, now)

    def wakes(self, timeout: float) -> bool:
        """See `Store`."""
        return self._session.wakes(timeout)

    def next_at(self) -> float | None:
        """See `Store`."""
        with self._session.reading() as (db, now):
            return looking.next_at(db, now)

    def job(self, job_id: str) -> Job | None:
        """See `Store`."""
        with self._session.reading() as (db, _):
            return looking.job(db, job_id)

    def jobs(
        self,
        *,
        state: QueueState | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Job]:
        """See `Store`."""
        with self._session.reading() as (db, _):
            return looking.jobs(db, state, key, limit, after)

    def every(self, *, state: QueueState | None = None, key: str | None = None) -> Iterator[Job]:
        """See `Store`; in order of arrival, without what comes after the begin."""
        with self._session.reading() as (db, _):
            after, upto = 0, looking.newest(db)
        while after < upto:
            with self._session.reading() as (db, _):
                found, after = looking.page(db, state, key, after, upto)
            yield from found

    def cancel(self, job_ids: Iterable[str], reason: str = "cancelled") -> int:
        """See `Store`; 1,000 in a transaction."""
        cancelled = 0
        for piece in _pieces(list(job_ids)):
            with self._session.writing() as turn:
                cancelled += sum(ending.cancel(turn, job_id, reason) for job_id in piece)
        return cancelled

    def expire(self, worker: str, job_ids: Iterable[str]) -> list[str]:
        """See `Store`; 1,000 in a transaction."""
        found: list[str] = []
        for piece in _pieces(list(job_ids)):
            with self._session.writing() as turn:
                found += [job_id for job_id in piece if ending.expire(turn, job_id, worker)]
        return found

    def retry_failed(
        self,
        *,
        ids: Iterable[str] | None = None,
        key: str | None = None,
        error_like: str = "",
        limit: int | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """See `Store`."""
        found: list[str] = []
        for piece in _pieces([*dict.fromkeys(ids or ())]):
            left = None if limit is None else limit - len(found)
            with self._session.writing() as turn:
                wanted = upkeep.Wanted(key, error_like, left, turn.drawn)
                found += upkeep.retry_these(turn, wanted, piece, dry_run=dry_run)
        if ids is not None:
            return found
        after: upkeep.After | None = upkeep.After()
        upto: int | None = None
        while after and (limit is None or len(found) < limit):
            left = None if limit is None else limit - len(found)
            with self._session.writing() as turn:
                upto = turn.drawn if upto is None else upto
                wanted = upkeep.Wanted(key, error_like, left, upto)
                ids, after = upkeep.retry_failed(turn, wanted, after, dry_run=dry_run)
            found += ids
        return found

    def prune(self, older_than: float, states: Iterable[QueueState] | None = None) -> int:
        """See `Store`."""
        chosen = {end(state) for state in (ENDED if states is None else ENDED.intersection(states))}
        forgotten, after = 0, upkeep.After() if chosen else None
        while after:
            with self._session.writing() as turn:
                before = turn.now - _ms(older_than)
                count, after = upkeep.prune(turn, before, chosen, after)
            forgotten += count
        return forgotten

    def forget(self, job_ids: Iterable[str]) -> list[str]:
        """See `Store`; 1,000 in a transaction."""
        found: list[str] = []
        for piece in _pieces([*dict.fromkeys(job_ids)]):
            with self._session.writing() as turn:
                found += upkeep.forget(turn, piece)
        return found

    def _enqueue(self, jobs: Sequence[NewJob], on_conflict: OnConflict) -> int:
        with self._session.writing() as turn:
            return enqueueing.enqueue(turn, jobs, on_conflict)


def _pieces(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + STEP] for start in range(0, len(items), STEP))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
