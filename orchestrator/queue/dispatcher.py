"""Decides when a runner talks to its store, for how many jobs there is room, and when it ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.core.backoff import Backoff
from orchestrator.core.errors import IncompatibleData, OrchError
from orchestrator.queue.holdings import Stage
from orchestrator.queue.leftovers import held_back

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock
    from orchestrator.queue.config import RunnerConfig
    from orchestrator.queue.crew import Crew
    from orchestrator.queue.exchange import Exchange
    from orchestrator.queue.holdings import Holdings
    from orchestrator.queue.model import Stats
    from orchestrator.queue.watcher import Watcher

#: Leases that are held at most, for each thread.
FACTOR = 4
#: Short jobs are leased ahead for so long, in seconds: the threads never wait for the store.
AHEAD_S = 0.02
#: What was leased ahead and has waited so long is given back: others may be idle.
STALE_S = 1.0
#: The queue is asked so often when nothing wakes us: a limit may have changed, in seconds.
RECHECK_S = 0.5
#: A queue in which nothing is leased for so long, in seconds, has nothing that a limit lets through.
QUIET_S = 1.5
#: Threads are looked after so often, in seconds.
LOOK_S = 0.25
#: So long a thread may take to come back when it is told to, in seconds.
LEAVE_S = 0.5
#: The store may take so long at the end of a stop, in seconds: what it is not told comes back by itself.
LAST_TRY_S = 0.3
#: After the grace of a stop we look so often, in seconds.
LAST_LOOK_S = 0.05
_AWAY = Backoff(base=0.1, cap=2.0)


class Until(StrEnum):
    """When a dispatcher ends by itself."""

    STOPPED = "stopped"
    #: Nothing is queued or in progress, here or elsewhere, but what a limit of 0 holds back, and what
    #: names a pipeline that is not here.
    DRAINED = "drained"
    #: The same, but what waits for its time may be left.
    NOTHING_DUE = "nothing due"


@dataclass(slots=True)
class StopRequest:
    """When the grace of a stop is over; None: nobody asked for one.

    `bell` wakes the dispatcher. Asking takes no lock that the main thread ever waits for.
    """

    clock: Clock
    at: float | None = None
    bell: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def ask(self, grace: float) -> None:
        """Ask to stop within `grace` seconds; to be asked again means at once."""
        now = self.clock.monotonic()
        self.at = now + grace if self.at is None else min(now, self.at)
        self.asked.set()
        self.bell.set()

    @property
    def left(self) -> float:
        """Seconds that what runs may still take."""
        return 0.0 if self.at is None else max(0.0, self.at - self.clock.monotonic())

    @property
    def overdue(self) -> float:
        """Seconds since the grace was over."""
        return 0.0 if self.at is None else max(0.0, self.clock.monotonic() - self.at)


@dataclass(slots=True)
class Dispatcher:
    """Runs in one thread; it alone leases and settles. When the store is away it waits until it is back."""

    exchange: Exchange
    config: RunnerConfig
    crew: Crew
    stop: StopRequest
    until: Until
    _looked_at: float = 0.0
    _failures: int = 0
    _served_at: float = 0.0
    _nothing: bool = False  # was to be done here when we looked last, and no lease has come since

    def run(self, watcher: Watcher) -> None:
        """Work until a stop is asked for, or there is nothing more to do."""
        self._served_at = self._now()
        while self.stop.at is None:
            self.stop.bell.clear()
            try:
                pause = self._turn(watcher)
            except IncompatibleData:
                raise  # a damaged file, say: waiting makes nothing better
            except OrchError as error:
                self._is_away(error)
                self.stop.asked.wait(_AWAY.delay(self._failures))
                continue
            self._is_there()
            if pause is None:
                return
            self.stop.bell.wait(pause)

    def leave(self) -> None:
        """Give back what was not begun, let the rest end within the grace, and give back what does not.

        While the grace lasts, and a little longer, a store that is away is tried again: what it was not
        told when this returns is still held.
        """
        self._holdings.recall(self._now())
        while len(self._holdings) and self.stop.overdue < LEAVE_S + LAST_TRY_S:
            if not self.stop.left:
                self._holdings.tell_all(self._now())
            if self.stop.overdue >= LEAVE_S:
                for held in self._holdings.at(Stage.RUNNING):
                    self._holdings.give_up(held)
            self._settle()

    @property
    def _holdings(self) -> Holdings:
        return self.exchange.holdings

    def _now(self) -> float:
        return self.stop.clock.monotonic()

    def _turn(self, watcher: Watcher) -> float | None:
        """Settle, lease and hand out; return how long to wait for the bell, None at the end."""
        self._look_after()
        room = self._room()
        leases = self.exchange.turn(room)
        for held in self._holdings.add(leases, self._now()):
            if self.stop.at is None:  # else it goes back with all that was not begun
                self.crew.hand(held)
        if leases:
            self._served_at, self._nothing = self._now(), False
        if len(leases) == room:
            return RECHECK_S  # full: the next one that is back rings
        if leases:
            return 0.0  # a call looks at some of the lanes only: there may be more
        finished, self._nothing = self._nothing, self._finished()
        if self._nothing:
            # A job may have come due between the lease and the look: only a lease after it knows.
            return None if finished else 0.0
        watcher.want()
        due = self.exchange.queue.store.next_at()
        return RECHECK_S if due is None else min(RECHECK_S, max(0.005, due))

    def _room(self) -> int:
        held = len(self._holdings) - len(self._holdings.at(Stage.BACK))
        return max(0, self.config.max_workers + self._ahead() - held)

    def _ahead(self) -> int:
        """How many to lease beyond the threads: only such as they begin soon."""
        pace = self._holdings.pace
        if pace is None:
            return 0
        return int(self.config.max_workers * min(FACTOR - 1, AHEAD_S / max(pace, 1e-6)))

    def _finished(self) -> bool:
        if self.until is Until.STOPPED or len(self._holdings):
            return False
        stats = self.exchange.queue.stats()
        if stats.in_progress > self.exchange.left.leased():
            self._served_at = self._now()
            return False
        if not stats.queued or (self.until is Until.NOTHING_DUE and stats.queued == stats.delayed):
            return True
        return self._blocked(stats)

    def _blocked(self, stats: Stats) -> bool:
        """Whether nothing of what is queued can be begun here before somebody does something about it."""
        limits = self.exchange.queue.limits()
        held = sum(held_back(stats, limits).values())
        not_ours = self.exchange.left.waiting(limits)
        if stats.queued <= held + not_ours:
            return True
        if self.until is Until.DRAINED and stats.delayed > not_ours:
            return False
        # How many jobs of hosts are held back, or how many of those held back are delayed, nobody knows;
        # but whatever may be leased is, within that time.
        quiet = self._now() - self._served_at > QUIET_S
        return quiet and (held > 0 or limits.per_host == 0)

    def _look_after(self) -> None:
        """See to jobs that run too long, threads that do not come back, and jobs that nobody begins."""
        now = self._now()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        if self._holdings.recall(now - STALE_S):
            self._holdings.slow_down(STALE_S)
        longest = self.config.max_run_seconds
        for held in self._holdings.at(Stage.RUNNING):
            if held.told_at is not None and now - held.told_at > LEAVE_S:
                if self._holdings.give_up(held):
                    self.crew.add()
                    self.exchange.tally.abandoned(held.task.id)
            elif now - held.since > longest:
                self._holdings.time_up(
                    held, f"it ran longer than max_run_seconds ({longest:g})", now
                )

    def _settle(self) -> None:
        """Tell what is back, and wait a moment for the next one, while no more is leased."""
        self.stop.bell.clear()
        # A bell that rang just before that is not heard again: no wait is long.
        timeout = min(LOOK_S, self.stop.left) or LAST_LOOK_S
        try:
            self.exchange.turn(0)
        except OrchError as error:
            self._is_away(error)
            timeout = min(timeout, _AWAY.delay(self._failures))
        else:
            self._is_there()
        if len(self._holdings):
            self.stop.bell.wait(timeout)

    def _is_away(self, error: OrchError) -> None:
        self._failures += 1
        self.exchange.tally.pause(str(error))

    def _is_there(self) -> None:
        self._failures = 0
        self.exchange.tally.resume()
