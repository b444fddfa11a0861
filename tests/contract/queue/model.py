"""A work queue as simple as can be: what both stores must do, without storing anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.queue.model import (
    ENDED,
    HISTORY,
    MAX_PRIORITY,
    Job,
    Lease,
    Limits,
    NewJob,
    OnConflict,
    QueueState,
    Stats,
)

QUEUED, HELD = QueueState.QUEUED, QueueState.IN_PROGRESS


@dataclass
class Known:
    """A job. `place` orders what came by `enqueue` or was released; None: any place is right."""

    new: NewJob
    place: int | None
    state: QueueState = QUEUED
    attempts: int = 0
    token: str = ""
    #: Until when it waits: "" (it does not), "due" (no longer, but nobody looked) or "long".
    waits: str = ""
    lapsed: bool = False
    reason: str = ""
    result: str | None = None
    failures: list[str] = field(default_factory=list)

    @property
    def lane(self) -> tuple[int, str, str]:
        return self.new.priority, self.new.key, self.new.host

    def failed(self, why: str) -> None:
        self.failures = [*self.failures, why]

    def wait(self, delay: float, *, due: bool) -> None:
        self.state, self.token, self.lapsed = QUEUED, "", False
        self.waits = "due" if due else "long" if delay else ""


@dataclass
class Model:
    """Every job that is known. `limited`: limits were set, so that not all that is ready is leased."""

    jobs: dict[str, Known] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    limited: bool = False
    arrivals: int = 0

    def of(self, state: QueueState) -> list[Known]:
        return [job for job in self.jobs.values() if job.state is state]

    def holder(self, token: str) -> Known | None:
        """Whose current lease this proves."""
        held = (job for job in self.of(HELD) if job.token == token and not job.lapsed)
        return next(held, None)

    def enqueue(self, jobs: Sequence[NewJob], policy: OnConflict, *, due: bool) -> int:
        return sum(self._enqueue(job, policy, due=due) for job in jobs)

    def _enqueue(self, new: NewJob, policy: OnConflict, *, due: bool) -> bool:
        self.arrivals += 1
        known = self.jobs.get(new.id)
        if known is None:
            known = self.jobs[new.id] = Known(new, None if new.delay else self.arrivals)
            known.wait(new.delay, due=due)
            return True
        anew = policy is OnConflict.REQUEUE and known.state in ENDED
        if anew or (policy is not OnConflict.IGNORE and known.state is QUEUED):
            kept = {name: getattr(known.new, name) for name in new.keep}
            known.new, known.place = replace(new, **kept), None
            if "delay" not in new.keep:
                known.wait(new.delay, due=due)
            elif anew:
                known.wait(0, due=False)
        if anew:
            self._from_the_beginning(known)
        return anew

    def _from_the_beginning(self, known: Known) -> None:
        known.attempts, known.reason, known.result, known.place = 0, "", None, None

    def sweep(self, max_attempts: int) -> None:
        """What a lease does before it takes anything."""
        for job in self.jobs.values():
            if job.waits == "due":
                job.waits = ""
            if job.state is HELD and job.lapsed:
                job.failed("ran out")
                job.wait(0, due=False)
                job.reason, job.place = "ran out", None
                if job.attempts >= max_attempts:
                    job.state = QueueState.ERROR

    def ready(self) -> list[Known]:
        return [job for job in self.of(QUEUED) if not job.waits]

    def lease(self, leases: Sequence[Lease], n: int, max_attempts: int, *, lapsed: bool) -> None:
        """Check what was leased, and take it."""
        self.sweep(max_attempts)
        ready = self.ready()
        taken = [self.jobs[lease.id] for lease in leases]
        assert len({lease.id for lease in leases}) == len(leases) <= n
        for lease, job in zip(leases, taken, strict=True):
            assert job in ready
            assert (lease.payload, lease.key, lease.host) == (
                job.new.payload,
                job.new.key,
                job.new.host,
            )
            assert lease.attempt == job.attempts + 1
            job.state, job.token, job.attempts = HELD, lease.token, lease.attempt
        self._check_the_order(taken, self.ready(), n)
        self._check_the_limits(taken)
        for job in taken:
            job.lapsed = lapsed

    def _check_the_order(self, taken: list[Known], left: list[Known], n: int) -> None:
        for nth, job in enumerate(taken):
            for other in [*taken[nth + 1 :], *left]:
                if job.lane == other.lane and job.place and other.place:
                    assert job.place < other.place, "not in order of arrival"
        if not self.limited:
            assert len(taken) == n or not left, "something was ready and not taken"
            worst = max((job.new.priority for job in taken), default=-MAX_PRIORITY)
            assert all(worst <= job.new.priority for job in left), "not by priority"

    def _check_the_limits(self, taken: list[Known]) -> None:
        held = [job.new for job in self.of(HELD) if not job.lapsed]
        keys, hosts = Counter(job.key for job in held), Counter(job.host for job in held)
        for new in (job.new for job in taken):
            key, host = self.limits.of_key(new.key), self.limits.of_host(new.host)
            assert key is None or keys[new.key] <= key
            assert host is None or hosts[new.host] <= host

    def end(self, job: Known, state: QueueState, reason: str, result: str | None) -> None:
        if state is QueueState.ERROR:
            job.failed(reason)
        elif job.state is HELD:
            job.failed("")
        job.state, job.reason, job.result, job.token, job.waits = state, reason, result, "", ""

    def retry(self, job: Known, error: str, delay: float, *, due: bool) -> None:
        job.failed(error)
        job.reason, job.place = error, None
        job.wait(delay, due=due)

    def release(self, job: Known) -> None:
        job.attempts -= 1
        job.wait(0, due=False)

    def retry_failed(self, key: str | None, ids: Iterable[str] | None) -> set[str]:
        again = [job for job in self.of(QueueState.ERROR) if key is None or job.new.key == key]
        again = [job for job in again if ids is None or job.new.id in ids]
        for job in again:
            job.wait(0, due=False)
            self._from_the_beginning(job)
        return {job.new.id for job in again}

    def forget(self, names: Iterable[str]) -> set[str]:
        gone = {name for name in names if name in self.jobs and self.jobs[name].state in ENDED}
        for name in gone:
            del self.jobs[name]
        return gone

    def expire(self, names: Iterable[str]) -> set[str]:
        over = {job.new.id for job in self.of(HELD) if job.new.id in names and not job.lapsed}
        for name in over:
            self.jobs[name].lapsed = True
        return over

    def prune(self, states: Iterable[QueueState]) -> int:
        gone = [name for name, job in self.jobs.items() if job.state in set(states) & ENDED]
        for name in gone:
            del self.jobs[name]
        return len(gone)

    def check(self, stats: Stats) -> None:
        """The counts of a store are ours."""
        numbers = {state: getattr(stats, str(state)) for state in QueueState}
        assert numbers == {state: len(self.of(state)) for state in QueueState}
        waiting = Counter(job.waits for job in self.of(QUEUED))
        assert waiting["long"] <= stats.delayed <= waiting["long"] + waiting["due"]
        assert stats.expired_leases == sum(job.lapsed for job in self.of(HELD))
        assert {
            (key, str(state)): number
            for key, states in stats.by_key.items()
            for state, number in states.items()
            if number
        } == Counter((job.new.key, str(job.state)) for job in self.jobs.values() if job.new.key)

    def check_job(self, name: str, told: Job | None) -> None:
        """What a store tells of a job is what we know."""
        known = self.jobs.get(name)
        if known is None or told is None:
            assert known is None
            assert told is None
            return
        new = known.new
        assert (told.state, told.attempts, told.result) == (
            known.state,
            known.attempts,
            known.result,
        )
        assert (told.payload, told.key, told.host, told.priority) == (
            new.payload,
            new.key,
            new.host,
            new.priority,
        )
        assert known.reason in told.reason
        errors = [*known.failures, ""] if known.state is HELD else known.failures
        errors = errors[-HISTORY:]
        assert len(told.history) == len(errors)
        assert all(why in a.error for why, a in zip(errors, told.history, strict=True))
        assert (told.lease_until is not None) == (known.state is HELD)
        assert (told.ended_at is not None) == (known.state in ENDED)
