"""A queue in memory for tests of the runner: it can be away, and tells what was asked of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from orchestrator.core.errors import LeaseLost, OrchError, Unavailable
from orchestrator.queue.model import (
    NEVER_SET,
    Job,
    Lease,
    Limits,
    NewJob,
    OnConflict,
    QueueState,
    Stats,
)
from orchestrator.queue.work import WorkQueue


@dataclass
class Kept:
    new: NewJob
    state: QueueState = QueueState.QUEUED
    attempts: int = 0
    token: str = ""
    until: float = 0.0
    ready_at: float = 0.0
    result: str | None = None
    reason: str = ""


@dataclass
class MemoryStore:
    """The verbs that a runner uses; `away` makes all of them fail, `away_for` only those named."""

    away: bool = False
    trouble: type[OrchError] = Unavailable
    away_for: set[str] = field(default_factory=set)
    called: Counter[str] = field(default_factory=Counter)
    kept: dict[str, Kept] = field(default_factory=dict)
    now_limits: Limits = NEVER_SET
    most_leased: int = 0
    fence: int = 0
    shared: str = ""

    def __post_init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.news = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...

    @contextmanager
    def verb(self, name: str) -> Iterator[None]:
        with self.changed:
            self.called[name] += 1
            if self.away or name in self.away_for:
                raise self.trouble(f"the store is away ({name})")
            yield

    @contextmanager
    def together(self) -> Iterator[None]:
        yield
        with self.verb("together"):
            pass

    def enqueue(self, jobs: Sequence[NewJob], _: OnConflict = OnConflict.IGNORE) -> int:
        with self.verb("enqueue"):
            new = [job for job in jobs if job.id not in self.kept]
            for job in new:
                self.kept[job.id] = Kept(job, ready_at=time.monotonic() + job.delay)
            self.news = True
            self.changed.notify_all()
            return len(new)

    def lease(self, n: int, ttl: float, *, worker: str = "", max_attempts: int = 3) -> list[Lease]:
        assert worker
        with self.verb("lease"):
            self.news = False
            self._sweep(max_attempts)
            return [self._lease(job, ttl) for job in self._due()[:n]]

    def _sweep(self, max_attempts: int) -> None:
        for job in self.kept.values():
            if job.state is QueueState.IN_PROGRESS and job.until <= time.monotonic():
                out = job.attempts >= max_attempts
                job.state = QueueState.ERROR if out else QueueState.QUEUED
                job.reason = "the lease ran out"

    def _due(self) -> list[Kept]:
        """What may be leased but for the limits of 0, the only ones that hold here."""
        return [job for job in self._ready() if not self._is_held_back(job)]

    def _ready(self) -> list[Kept]:
        now = time.monotonic()
        return [
            job
            for job in self.kept.values()
            if job.state is QueueState.QUEUED and job.ready_at <= now
        ]

    def _is_held_back(self, job: Kept) -> bool:
        limits = self.now_limits
        return 0 in (limits.of_key(job.new.key), limits.of_host(job.new.host))

    def _lease(self, job: Kept, ttl: float) -> Lease:
        self.fence += 1
        job.state, job.attempts = QueueState.IN_PROGRESS, job.attempts + 1
        job.token, job.until = f"{job.attempts}.{self.fence}.{job.new.id}", time.monotonic() + ttl
        held = sum(1 for job in self.kept.values() if job.state is QueueState.IN_PROGRESS)
        self.most_leased = max(self.most_leased, held)
        new = job.new
        return Lease(new.id, job.token, new.payload, job.attempts, new.key, new.host)

    def heartbeat(self, tokens: Iterable[str], ttl: float) -> list[str]:
        with self.verb("heartbeat"):
            lost = []
            for token in tokens:
                try:
                    self.held(token).until = time.monotonic() + ttl
                except LeaseLost:
                    lost.append(token)
            return lost

    def held(self, token: str) -> Kept:
        job = self.kept.get(token.split(".", 2)[2])
        current = job and job.state is QueueState.IN_PROGRESS and job.token == token
        if job is None or not current or job.until <= time.monotonic():
            raise LeaseLost(token)
        return job

    def ack(self, token: str, state: QueueState, *, reason: str = "", result: Any = None) -> None:
        self.commit(token, state, reason=reason, result=result)

    def commit(
        self,
        token: str,
        state: QueueState,
        *,
        reason: str = "",
        result: str | None = None,
        new_jobs: Sequence[NewJob] = (),
    ) -> int:
        with self.verb("commit"):
            job = self.held(token)
            job.state, job.reason, job.result = state, reason, result
            return self.enqueue(new_jobs)

    def retry(self, token: str, error: str, delay: float) -> None:
        with self.verb("retry"):
            job = self.held(token)
            job.state, job.reason = QueueState.QUEUED, error
            job.ready_at = time.monotonic() + delay

    def release(self, tokens: Iterable[str], delay: float = 0.0) -> list[str]:
        tokens, lost = list(tokens), []
        with self.verb("release"):
            for token in tokens:
                try:
                    job = self.held(token)
                except LeaseLost:
                    lost.append(token)
                    continue
                job.state, job.attempts = QueueState.QUEUED, job.attempts - 1
                job.ready_at = time.monotonic() + delay
            return lost

    def job(self, job_id: str) -> Job:
        with self.verb("job"):
            kept = self.kept[job_id]
            state, payload = kept.state, kept.new.payload
            return Job(job_id, state, payload, "", "", 0, kept.attempts, 0.0, reason=kept.reason)

    def limits(self) -> Limits:
        return self.now_limits

    def set_limits(self, limits: Limits) -> None:
        with self.verb("set_limits"):
            self.now_limits = limits

    def stats(self) -> Stats:
        with self.verb("stats"):
            counts = Counter(job.state for job in self.kept.values())
            queued, in_progress = counts[QueueState.QUEUED], counts[QueueState.IN_PROGRESS]
            by_key: dict[str, Counter[str]] = {}
            for job in self.kept.values():
                if job.new.key:
                    by_key.setdefault(job.new.key, Counter())[job.state] += 1
            return Stats(queued, queued - len(self._ready()), in_progress, by_key=by_key)

    def wakes(self, timeout: float) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.news, timeout)

    def next_at(self) -> float | None:
        with self.verb("next_at"):
            now = time.monotonic()
            waits = [
                job.ready_at - now for job in self.kept.values() if job.state is QueueState.QUEUED
            ]
            return max(0.0, min(waits)) if waits else None

    def lose(self, job_id: str) -> None:
        """As if somebody else had the job now."""
        with self.changed:
            self.kept[job_id].token = "9.9.somebody"

    def states(self) -> dict[str, str]:
        with self.changed:
            return {job_id: str(job.state) for job_id, job in self.kept.items()}


def queue_over(store: MemoryStore) -> WorkQueue:
    return WorkQueue(store)  # type: ignore[arg-type]
