"""What a runner has leased, from the lease until the queue knows what became of it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.queue.pipeline import Task
from orchestrator.queue.verdict import Again, NotOurs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from orchestrator.queue.model import Lease
    from orchestrator.queue.verdict import Verdict

#: How much the last job counts for the pace.
_NEWEST = 0.2


class Stage(StrEnum):
    """Where a held job is."""

    WAITING = "waiting"
    RUNNING = "running"
    #: Its thread came back, is not waited for any more, or never began: the queue is to be told.
    BACK = "back"


@dataclass(slots=True, eq=False)
class Held:
    """A job that is ours. Its `verdict` is None as long as there is none, or none that counts.

    `since` is when it began to wait or to run, `told_at` when it was told that there is no use in going
    on. `tried`: the verdict was taken to the queue, and whether it got there is not known. `lost`: the
    lease is, and the queue is told nothing more. `failures`: so often the queue could not be told, and
    is not to be told again before `again_at`; `refusals` of them while it was there. `pause`: for
    so long one that is not ours is out of the way.
    """

    task: Task
    since: float
    stage: Stage = Stage.WAITING
    verdict: Verdict | None = None
    told_at: float | None = None
    tried: bool = False
    lost: bool = False
    failures: int = 0
    refusals: int = 0
    pause: float = 0.0
    again_at: float = 0.0

    @property
    def token(self) -> str:
        """What proves the lease."""
        return self.task.lease.token


class Holdings:
    """All that is held. Every method is atomic; a job moves from stage to stage only in here."""

    def __init__(self, folder: Path, ttl: float, shared: str = "") -> None:
        self._folder = folder
        self._shared = shared
        self._ttl = ttl
        self._extended_at = 0.0
        self._lock = threading.Lock()
        self._held: dict[str, Held] = {}
        #: Seconds that a job takes, lately; None until that is known.
        self.pace: float | None = None
        #: How many were ever begun.
        self.started = 0

    def __len__(self) -> int:
        return len(self._held)

    def count(self, stage: Stage) -> int:
        """How many there are at this stage."""
        return len(self.at(stage))

    def at(self, stage: Stage) -> list[Held]:
        """Those at this stage, in the order of their leases."""
        with self._lock:
            return [held for held in self._held.values() if held.stage is stage]

    def tokens(self) -> list[str]:
        """Of the leases that we take for ours."""
        with self._lock:
            return [token for token, held in self._held.items() if not held.lost]

    def add(self, leases: Iterable[Lease], now: float) -> list[Held]:
        """Begin to hold these."""
        added = [Held(Task(lease, self._folder, shared=self._shared), now) for lease in leases]
        with self._lock:
            self._held.update((held.token, held) for held in added)
        return added

    def extended(self, at: float) -> None:
        """Know that what is held was extended at that time."""
        self._extended_at = at

    def begin(self, held: Held, now: float) -> bool:
        """Move it from waiting to running; tell whether it is still ours to begin with.

        After a standstill that was longer than a lease somebody else may have it: it goes back.
        """
        with self._lock:
            if held.stage is not Stage.WAITING or held.lost:
                return False
            if now - max(held.since, self._extended_at) > self._ttl:
                held.stage = Stage.BACK
                return False
            held.stage, held.since = Stage.RUNNING, now
            self.started += 1
            return True

    def come_back(self, held: Held, verdict: Verdict, now: float) -> bool:
        """Move it from running to back; tell whether its thread was still waited for.

        A verdict that came after `task.over` was set does not count: the pipeline may have stopped
        half way because of that.
        """
        with self._lock:
            if held.stage is not Stage.RUNNING:
                return False
            if not held.task.over.is_set():
                held.verdict = verdict
                if not isinstance(verdict, NotOurs):
                    self._reckon(now - held.since)
            held.stage = Stage.BACK
            return True

    def time_up(self, held: Held, error: str, now: float) -> bool:
        """Tell a running one that its time is up, once: whatever it returns, it is tried again."""
        with self._lock:
            if held.stage is not Stage.RUNNING or held.told_at is not None:
                return False
            held.told_at = now
            held.verdict = None if held.lost else Again(error)
            held.task.over.set()
            return True

    def tell_all(self, now: float) -> None:
        """Tell all that run that there is no use in going on."""
        with self._lock:
            for held in self._held.values():
                if held.stage is Stage.RUNNING and held.told_at is None:
                    held.told_at = now
                    held.task.over.set()

    def give_up(self, held: Held) -> bool:
        """Wait no more for its thread; tell whether that had not come back."""
        with self._lock:
            gone = held.stage is Stage.RUNNING
            held.stage = Stage.BACK
            return gone

    def lose(self, tokens: Iterable[str], now: float) -> list[Held]:
        """Know that these leases are lost; return those of them that we took for ours.

        A running one is told, and keeps its place until its thread is back or given up. One that is
        back is left alone: it may be that the queue knows by now what became of it, and we do not know
        that yet.
        """
        with self._lock:
            ours = [self._held[token] for token in tokens if token in self._held]
            lost = [held for held in ours if not held.lost and held.stage is not Stage.BACK]
            for held in lost:
                held.lost = True
                held.told_at = now if held.told_at is None else held.told_at
                held.task.over.set()
                if held.stage is Stage.WAITING:
                    del self._held[held.token]
            return lost

    def recall(self, since: float) -> int:
        """Move those back that have waited from `since` on or longer; return how many they were."""
        with self._lock:
            recalled = [
                held
                for held in self._held.values()
                if held.stage is Stage.WAITING and held.since <= since
            ]
            for held in recalled:
                held.stage = Stage.BACK
            return len(recalled)

    def drop(self, held: Iterable[Held]) -> None:
        """Hold these no more: the queue knows what became of them, or need not."""
        with self._lock:
            for each in held:
                self._held.pop(each.token, None)

    def _reckon(self, took: float) -> None:
        known = took if self.pace is None else self.pace
        self.pace = known + (took - known) * _NEWEST

    def slow_down(self, pace: float) -> None:
        """Reckon with jobs that take at least so long, until they prove quicker."""
        with self._lock:
            self.pace = max(pace, self.pace or 0.0)
