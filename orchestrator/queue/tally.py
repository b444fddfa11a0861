"""What a runner has done so far, and whom it tells."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.core.clock import Clock

log = logging.getLogger(__name__)

#: The rate is that of the last so many seconds.
RATE_OVER_S = 10


class Told(Protocol):
    """Is told what happens, by stable dotted names: `EventLog.write` is one."""

    def __call__(self, name: str, /, **fields: object) -> object:
        """Take note of it; called from threads of the runner."""


@dataclass(frozen=True, slots=True)
class RunnerStatus:
    """How a runner stands: `running` and `waiting` (leased, not begun) now, the others since its start.

    `lost` are outcomes that were dropped as the lease was lost, `abandoned` threads whose pipelines
    did not come back in time. `rate` is jobs that ended a second, lately. `paused`: why nothing is
    leased for the moment, or "". `untold` are outcomes that the queue did not take: their jobs are
    leased until that runs out. `missing`: pipeline that is not here -> jobs that wait for one that has it.
    """

    running: int = 0
    waiting: int = 0
    started: int = 0
    done: int = 0
    skipped: int = 0
    retried: int = 0
    failed: int = 0
    released: int = 0
    lost: int = 0
    abandoned: int = 0
    untold: int = 0
    rate: float = 0.0
    paused: str = ""
    missing: Mapping[str, int] = field(default_factory=dict)


class Tally:
    """Counts, and tells; threads may share one."""

    def __init__(self, clock: Clock, told: Told | None) -> None:
        self._clock = clock
        self._told = told
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._began = clock.monotonic()
        self._ended: deque[tuple[int, int]] = deque(maxlen=RATE_OVER_S + 1)  #: (second, how many)
        self.paused = ""

    def tell(self, name: str, **fields: object) -> None:
        """Tell the one who asked for it; what goes wrong there is no trouble of the runner."""
        if self._told is None:
            return
        try:
            self._told(name, **fields)
        except Exception:  # somebody else's code
            log.exception("on_event(%s)", name)

    def ended(self, job_id: str, state: QueueState, reason: str) -> None:
        """Count what became of a job, and tell if it failed."""
        with self._lock:
            self._counts[_WORDS[state]] += 1
            self._count_for_rate()
        if state in (QueueState.QUEUED, QueueState.ERROR):
            log.info("%s %s: %s", job_id, _WORDS[state], reason)
            self.tell(f"job.{_WORDS[state]}", id=job_id, error=reason)

    def lost(self, job_id: str) -> None:
        """Count a job whose lease was lost, and tell."""
        self.add("lost")
        log.warning("%s: the lease is lost; what comes of it is dropped", job_id)
        self.tell("lease.lost", id=job_id)

    def abandoned(self, job_id: str) -> None:
        """Count a thread that is not waited for any more, and tell."""
        self.add("abandoned")
        n = self._counts["abandoned"]
        log.error("%s: its pipeline did not come back; threads lost so far: %d", job_id, n)
        self.tell("thread.abandoned", id=job_id, threads=n)

    def let_go(self, job_id: str, error: str) -> None:
        """Count an outcome that the queue does not take, and tell."""
        self.add("untold")
        log.error("%s: its lease runs out, as the queue takes no outcome of it: %s", job_id, error)
        self.tell("job.let_go", id=job_id, error=error)

    def missing(self, pipeline: str, job_id: str) -> None:
        """Tell of a pipeline that is not here, and of the first job that names it."""
        log.warning("no pipeline %r here: %s is given back, as all like it", pipeline, job_id)
        self.tell("pipeline.missing", pipeline=pipeline, id=job_id)

    def add(self, what: str, n: int = 1) -> None:
        """Count something else."""
        with self._lock:
            self._counts[what] += n

    def pause(self, why: str) -> None:
        """Know and tell, once, that the store is away."""
        if not self.paused:
            log.warning("paused: %s", why)
            self.tell("runner.paused", reason=why)
        self.paused = why

    def resume(self) -> None:
        """Know and tell that it is back."""
        if self.paused:
            self.paused = ""
            log.warning("goes on")
            self.tell("runner.resumed")

    def status(
        self, *, running: int, waiting: int, started: int, missing: Mapping[str, int]
    ) -> RunnerStatus:
        """Sum up."""
        with self._lock:
            counts = dict(self._counts)
            rate = self._rate()
        return RunnerStatus(
            *(running, waiting, started),
            rate=round(rate, 2),
            paused=self.paused,
            missing=missing,
            **counts,
        )

    def _count_for_rate(self) -> None:
        second = int(self._clock.monotonic())
        if self._ended and self._ended[-1][0] == second:
            self._ended[-1] = (second, self._ended[-1][1] + 1)
        else:
            self._ended.append((second, 1))

    def _rate(self) -> float:
        now = self._clock.monotonic()
        over = min(RATE_OVER_S, now - self._began)
        ended = sum(n for second, n in self._ended if second > now - RATE_OVER_S - 1)
        return ended / max(over, 1.0)


_WORDS = {
    QueueState.DONE: "done",
    QueueState.SKIPPED: "skipped",
    QueueState.ERROR: "failed",
    QueueState.QUEUED: "retried",
}
