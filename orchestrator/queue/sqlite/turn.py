"""One write transaction, which several verbs may share."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.queue.sqlite.queries import load
from orchestrator.queue.sqlite.states import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.queue.sqlite.clock import QueueClock

_TURN, _ENQUEUE = load("turn"), load("enqueue")
_STATE, _SAVE, _COUNT, _COUNT_FIRST = (
    _TURN[name] for name in ("state", "save", "count", "count_first")
)
_ADD_LANE, _ADD_KEY = _ENQUEUE["add_lane"], _ENQUEUE["add_key"]
_PLACES = len(Place)


@dataclass(slots=True)
class Turn:
    """What the verbs of a transaction have in common: the numbers that are written once, at its end."""

    db: sqlite3.Connection
    clock: QueueClock
    now: int = 0
    #: How often new work came, as of this transaction.
    arrivals: int = 0
    #: Those that hold, as JSON.
    limits: str = ""
    _counter: int = 0
    _began: tuple[int, int] = (0, 0)
    _seen: int = 0
    _first_arrivals: int = 0
    _counts: dict[str, list[int]] = field(default_factory=dict)

    def begin(self) -> None:
        """Take the write lock, and what the last transaction left."""
        self._counts.clear()
        self.db.execute("BEGIN IMMEDIATE")
        self._counter, self.arrivals, self._seen, self.limits = self.db.execute(_STATE).fetchone()
        self._began = self._counter, self.arrivals
        self._first_arrivals = self.arrivals
        self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        """Let it be now, and never earlier than for whoever wrote last."""
        self.now = max(self.clock.now(), self._seen)

    @property
    def has_work(self) -> bool:
        """Whether new work came in this transaction."""
        return self.arrivals != self._first_arrivals

    @property
    def drawn(self) -> int:
        """The last number that was drawn."""
        return self._counter

    def draw(self) -> int:
        """Return a number that nobody ever had: a fence, a turn or a tag."""
        self._counter += 1
        return self._counter

    def move(self, key: str, out_of: int | None, into: int | None, count: int = 1) -> None:
        """Count so many jobs of a key from one place to another; None: the queue does not know them."""
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0] * _PLACES
        if out_of is not None:
            counts[out_of] -= count
        if into is not None:
            counts[into] += count

    def line_up(self, lanes: Iterable[tuple[int, str, str]]) -> None:
        """Let lanes (priority, key, host) that have ready jobs now take part in the rota."""
        for priority, key, host in lanes:
            if self.db.execute(_ADD_LANE, (priority, key, host, self.draw())).rowcount > 0:
                self.db.execute(_ADD_KEY, (priority, key, self.draw()))
        self.arrivals += 1

    def save(self) -> None:
        """Write the numbers, if there are any."""
        counts = self._counts
        if not counts and self._began == (self._counter, self.arrivals):
            return
        own = counts.pop("", None) or (0,) * _PLACES
        self.db.execute(_SAVE, (*own, self._counter, self.arrivals, self.now))
        for key, deltas in counts.items():
            if any(deltas) and self.db.execute(_COUNT, (*deltas, key)).rowcount == 0:
                self.db.execute(_COUNT_FIRST, (*deltas, key))
        counts.clear()
        self._began = self._counter, self.arrivals

    def commit(self) -> None:
        """Make it durable."""
        self.save()
        self.db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo all of it; SQLite may have done so already, when the disk is full."""
        self._counts.clear()
        if self.db.in_transaction:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
