"""Transactions: a verb of its own, several together, a look."""

from __future__ import annotations

import os
import sqlite3
import weakref
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import LeaseLost, OrchError
from orchestrator.queue.sqlite import connection, frozen, looking
from orchestrator.queue.sqlite.connections import Connections
from orchestrator.queue.sqlite.faults import fault
from orchestrator.queue.sqlite.wake import LOOK_S, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

    from orchestrator.core.clock import Clock
    from orchestrator.queue.sqlite.connections import Seat
    from orchestrator.queue.sqlite.turn import Turn


class Session:
    """What a store does with its file: each thread has at most one transaction, which verbs share."""

    def __init__(self, path: Path, synchronous: str, clock: Clock, patience: float) -> None:
        self.path = path
        self.wake = Wake(path.with_name(f"{path.name}-wal"))
        self._clock = clock
        self.connections = Connections(path, synchronous, clock, patience)
        self._verb = Writing(self, block=False)
        self._block = Writing(self, block=True)
        _EVERY.add(self)

    def writing(self) -> Writing:
        """A verb: a transaction of its own, or a part of the block that it is in."""
        return self._verb

    def together(self) -> Writing:
        """A block of verbs; an error that leaves it undoes none that was done."""
        return self._block

    @contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, int]]:
        """A look at the file, and the time; an empty queue stands for one that is not there."""
        try:
            seat = self.connections.mine()
            if seat is None and not self.path.exists():
                with closing(connection.empty()) as db:
                    yield db, 0
            elif seat is None and frozen.is_frozen(self.path):
                with frozen.look(self.path, self._clock) as found:
                    yield found
            elif seat is not None and seat.depth:
                with self._verb as turn:
                    turn.save()
                    yield seat.db, turn.now
            else:
                seat = self.connections.take()
                try:
                    yield seat.db, seat.clock.now()
                finally:
                    seat.lock.release()
        except sqlite3.Error as error:
            raise fault(self.path, error) from error

    def wakes(self, timeout: float) -> bool:
        """Wait for new work, also for the file itself."""
        deadline = Deadline.after(timeout, self._clock)
        if not wait_until(self.path.exists, deadline, every=LOOK_S):
            return False
        return self.wake.wait(self._look, deadline)

    def close(self) -> None:
        """Let go of all connections."""
        if self.seat() is not None:
            raise RuntimeError(f"{self.path}: a queue cannot be closed inside of `together`")
        self.connections.close()
        self.wake.rest()

    def seat(self) -> Seat | None:
        """That of this thread, if it is in a transaction."""
        seat = self.connections.mine()
        return seat if seat and seat.depth else None

    def begin(self) -> Seat:
        """Join this thread's transaction, or begin one."""
        try:
            seat = self.seat()
            if seat is None:
                seat = self._begun()
            else:
                seat.turn.look_at_the_clock()
        except sqlite3.Error as error:
            raise fault(self.path, error) from error
        if seat.broken:
            raise seat.broken
        seat.depth += 1
        return seat

    def spoil(self, seat: Seat, error: BaseException) -> None:
        """Undo all of a transaction in which something went wrong, at once."""
        seat.broken = (
            fault(self.path, error)
            if isinstance(error, sqlite3.Error)
            else OrchError(f"{self.path}: nothing was written, as one step of it failed: {error!r}")
        )
        seat.broken.__cause__ = error
        seat.turn.rollback()

    def end(self, seat: Seat) -> None:
        """Commit, or say why nothing stays."""
        came = seat.turn.has_work
        try:
            if seat.broken is None:
                try:
                    seat.turn.commit()
                except sqlite3.Error as error:
                    self.spoil(seat, error)
        finally:
            broken, seat.broken = seat.broken, None
            seat.turn.rollback()  # nothing, unless we were interrupted: it never stays open
            self.connections.lock.release()
            seat.lock.release()
        if broken is not None:
            raise broken
        if came:
            self.wake.came()

    def _begun(self) -> Seat:
        seat = self.connections.take()
        began = False
        try:
            self.connections.lock.acquire()
            try:
                seat.turn.begin()
                began = True
            finally:
                if not began:
                    seat.turn.rollback()
                    self.connections.lock.release()
        finally:
            if not began:
                seat.lock.release()
        return seat

    def _look(self) -> tuple[int, bool]:
        with self.reading() as (db, _):
            return looking.arrivals(db)


class Writing:
    """What `Session.writing` and `Session.together` return; it has no state, so one is enough for all."""

    __slots__ = ("_block", "_session")

    def __init__(self, session: Session, *, block: bool) -> None:
        self._session = session
        self._block = block

    def __enter__(self) -> Turn:
        return self._session.begin().turn

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seat = self._session.seat()
        if seat is None:
            return  # in the child of a fork, and this was the parent's
        seat.depth -= 1
        if error is None and seat.depth:
            return
        failed = None if self._block or isinstance(error, LeaseLost) else error
        self._leave(seat, failed, error)

    def _leave(self, seat: Seat, failed: BaseException | None, error: BaseException | None) -> None:
        if failed is not None and seat.broken is None:
            self._session.spoil(seat, failed)
        broken = seat.broken
        if seat.depth == 0:
            self._end(seat, broken, error)
        if broken is not None and isinstance(failed, sqlite3.Error):
            raise broken from failed

    def _end(self, seat: Seat, broken: OrchError | None, error: BaseException | None) -> None:
        try:
            self._session.end(seat)
        except OrchError as told:
            # What leaves the block already, or its cause, is not told a second time.
            if told is not broken or error not in (broken, broken.__cause__):
                raise


_EVERY: weakref.WeakSet[Session] = weakref.WeakSet()


def _before_fork() -> None:
    for session in list(_EVERY):
        session.connections.before_fork()


def _in_parent() -> None:
    for session in list(_EVERY):
        session.connections.after_fork()


def _in_child() -> None:
    for session in list(_EVERY):
        session.connections.forget()
        session.wake.forget()


os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
