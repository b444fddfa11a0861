"""One connection for each thread, and none across a fork."""

from __future__ import annotations

import ctypes
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import OrchError
from orchestrator.queue.sqlite import connection, frozen
from orchestrator.queue.sqlite.faults import unwritable
from orchestrator.queue.sqlite.filesystem import refuse_shared
from orchestrator.queue.sqlite.lock import WriteLock
from orchestrator.queue.sqlite.turn import Turn

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from orchestrator.core.clock import Clock
    from orchestrator.queue.sqlite.clock import QueueClock

#: Seconds that a fork waits for transactions of other threads.
FORK_S = 1.0
#: Seconds that `close` does: whoever waits for another process to write may wait for long.
CLOSE_S = 0.2
#: Files of which this process has what its parent was in the middle of.
_UNFIT: set[Path] = set()


@dataclass(slots=True)
class Seat:
    """A thread's connection, and the transaction that it may be in."""

    db: sqlite3.Connection
    clock: QueueClock
    turn: Turn
    #: Held while the connection is in use.
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False
    #: Verbs, and blocks of them, that the transaction is in.
    depth: int = 0
    #: Why nothing of it will stay.
    broken: OrchError | None = None

    def close(self) -> None:
        """Close the connection; only for who has the lock."""
        self.closed = True
        self.db.close()


class Connections:
    """Those of one store, and the lock that all of them write under.

    A fork finds none of them open. SQLite remembers what a process has locked, a child inherits that
    memory but not the locks, and so would write where it has locked nothing.
    """

    lock: WriteLock
    _here: threading.local
    #: Strong: in the child of a fork the threads, and what only they have, are gone.
    _seats: dict[threading.Thread, Seat]
    #: Held by who opens, closes or forks.
    _door: threading.Lock
    _door_is_ours: bool
    #: Who begins anything waits at the door, or a fork would never find all of them between two verbs.
    _forks: bool
    _paused: list[Seat]

    def __init__(self, path: Path, synchronous: str, clock: Clock, patience: float) -> None:
        self.path = path
        self._synchronous = synchronous
        self._clock = clock
        self._patience = patience
        self._checked = False
        self._begin()

    def mine(self) -> Seat | None:
        """This thread's seat, if it has one already."""
        found: Seat | None = getattr(self._here, "seat", None)
        return None if found is None or found.closed else found

    def take(self) -> Seat:
        """This thread's seat, its lock held; the file is made when it is not there."""
        while True:
            if self._forks:
                with self._door:
                    pass
            seat = self.mine() or self._open()
            seat.lock.acquire()
            if not seat.closed:
                return seat
            seat.lock.release()

    def close(self) -> None:
        """Close those of all threads; one whose transaction is not over soon stays open."""
        deadline = Deadline.after(CLOSE_S, self._clock)
        door_is_ours = self._door.acquire(timeout=deadline.remaining())
        try:
            for seat in self._locked(deadline):
                seat.lock.release()
            if door_is_ours and not self._seats:
                self.lock.close()
        finally:
            if door_is_ours:
                self._door.release()

    def before_fork(self) -> None:
        """Close those of all threads, and let nobody open one before the fork is over."""
        deadline = Deadline.after(FORK_S, self._clock)
        self._door_is_ours = self._door.acquire(timeout=deadline.remaining())
        self._forks = True
        self._paused = self._locked(deadline)
        if not self._seats:
            self.lock.close()

    def after_fork(self) -> None:
        """In the parent: all go on."""
        self._forks = False
        paused, self._paused = self._paused, []
        for seat in paused:
            seat.lock.release()
        if self._door_is_ours:
            self._door.release()

    def forget(self) -> None:
        """In the child: nothing is open, and nobody is here but us.

        What the parent was in the middle of is never touched: even to close it would be to use it.
        """
        for seat in self._seats.values():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(seat.db))
        if self._seats or not self._door_is_ours:
            _UNFIT.add(self.path)
        self.lock.close()
        self._begin()

    def _begin(self) -> None:
        self.lock = WriteLock(self.path, self._clock, self._patience)
        self._here = threading.local()
        self._seats = {}
        self._door = threading.Lock()
        self._door_is_ours = False
        self._forks = False
        self._paused = []

    def _locked(self, deadline: Deadline) -> list[Seat]:
        """Close what is not in use before the deadline; the locks of what was closed are held."""
        locked = []
        for thread, seat in list(self._seats.items()):
            if seat.depth and seat is self.mine():
                continue
            if seat.lock.acquire(timeout=deadline.remaining()):
                locked.append(seat)
                seat.close()
                self._seats.pop(thread, None)
        return locked

    def _open(self) -> Seat:
        if self.path in _UNFIT:
            raise OrchError(
                f"this process was forked in the middle of a transaction on {self.path}, and cannot use it",
                hint="start processes outside of `together`, or let multiprocessing spawn them",
            )
        with self._door:
            self._close_ended()
            if not self._checked:
                refuse_shared(self.path)
                self._checked = True
            if frozen.is_frozen(self.path):
                raise unwritable(self.path)
            connection.make(self.path)
            db = connection.connect(self.path, self._synchronous, self._patience)
            with ExitStack() as undo:
                undo.callback(db.close)
                connection.bring_up_to_date(db, self.path, self.lock)
                clock = connection.set_clock(db, self._clock, self.lock)
                undo.pop_all()
            seat = self._here.seat = Seat(db, clock, Turn(db, clock))
            self._seats[threading.current_thread()] = seat
            return seat

    def _close_ended(self) -> None:
        for thread in [each for each in self._seats if not each.is_alive()]:
            self._seats.pop(thread).close()
