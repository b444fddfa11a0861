"""A queue that any process of a test can open, and short ways to bring it into a state."""

from __future__ import annotations

import fcntl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.queue.model import Job, Lease, NewJob, OnConflict, QueueState
from orchestrator.queue.open import open_queue
from orchestrator.queue.redis_store import RedisStore
from orchestrator.queue.sqlite.store import SqliteStore
from orchestrator.queue.store import Store

#: Seconds: longer than any test.
TTL = 600.0
#: Seconds: a lease or a delay that is over as soon as somebody looks twice.
BRIEF = 0.03
#: How often what a limit held back comes again in vain before one believes that it stays.
COMES_AGAIN = 10
#: More than any test has.
ALL = 100_000


@dataclass(frozen=True)
class Place:
    """Where a queue is; can be sent to another process."""

    target: str

    def open(self) -> Store:
        return open_queue(self.target).store


def somebody_is_next(path: Path) -> bool:
    """Whether somebody waits to write into the queue in the file `path`."""
    with Path(f"{path}-turn").open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def until(condition: Callable[[], Any], timeout: float = 20) -> None:
    """Wait for a state that comes within milliseconds."""
    assert wait_until(lambda: bool(condition()), Deadline.after(timeout), every=0.005), condition


def add(store: Store, *ids: str, **fields: Any) -> int:
    """Enqueue jobs that differ only by their id."""
    return store.enqueue([NewJob(job_id, **fields) for job_id in ids], OnConflict.IGNORE)


def many(count: int, prefix: str, hosts: int = 1, **fields: Any) -> list[NewJob]:
    """So many jobs of the key `prefix`, spread over so many hosts of it."""
    return [
        NewJob(f"{prefix}-{number}", key=prefix, host=f"{prefix}{number % hosts}", **fields)
        for number in range(count)
    ]


def one(store: Store, **options: Any) -> Lease:
    """Take a job that is there."""
    (lease,) = store.lease(1, TTL, **options)
    return lease


def soon(store: Store, timeout: float = 20, **options: Any) -> Lease:
    """Take the next job as soon as there is one."""
    leases: list[Lease] = []

    def taken() -> bool:
        leases.extend(store.lease(1, TTL, **options))
        return bool(leases)

    until(taken, timeout)
    return leases[0]


def at_last(store: Store) -> Lease:
    """Ask again and again, as a runner does: so seldom that it does not take a second."""
    answers = (store.lease(1, TTL) for _ in range(100))
    return next(leases[0] for leases in answers if leases)


def all_there_is(store: Store, n: int) -> list[Lease]:
    """Lease until nothing comes, also not when what was held back has come again some times."""
    taken: list[Lease] = []
    fruitless = 0
    while fruitless < COMES_AGAIN:
        leases = store.lease(n, TTL)
        taken += leases
        fruitless = 0 if leases else fruitless + 1
        if not leases:
            look_again(store)
    return taken


def look_again(store: Store) -> None:
    """As if what a limit holds back had been held back for long enough to be looked at again."""
    if isinstance(store, SqliteStore):
        with store._session.writing() as turn:
            turn.db.execute("UPDATE rota SET parked = 1 WHERE parked > 0")
            turn.db.execute("UPDATE lanes SET parked = 1 WHERE parked > 0")
    else:
        assert isinstance(store, RedisStore)
        blocked = store._keys.blocked
        for blocker in store._client.zrange(blocked, 0, -1):
            store._client.zadd(blocked, {blocker: 0}, xx=True)


def lapsed(store: Store, n: int = 1, **options: Any) -> list[Lease]:
    """Take leases that have run out when this returns, and that nobody has taken back."""
    leases = store.lease(n, BRIEF, **options)
    assert len(leases) == n
    until(lambda: store.stats().expired_leases == n)
    return leases


def settle(store: Store) -> None:
    """Wait for all that is due soon: from then on only the caller changes anything."""

    def settled() -> bool:
        assert store.lease(0, TTL) == []
        due = store.next_at()
        return due is None or due > TTL / 10

    until(settled)


def end(store: Store, job_id: str, state: QueueState = QueueState.DONE, **options: Any) -> Lease:
    """Enqueue a job and end it; nothing else may be ready."""
    add(store, job_id)
    lease = one(store)
    assert lease.id == job_id
    store.ack(lease.token, state, **options)
    return lease


def forget(store: Store) -> None:
    """Prune what ended just now."""
    until(lambda: store.prune(0))


def job(store: Store, job_id: str) -> Job:
    """What is known of a job that there is."""
    found = store.job(job_id)
    assert found
    return found


def every_job(store: Store) -> list[Job]:
    """All that there are, state by state."""
    return [found for state in QueueState for found in store.jobs(state=state, limit=ALL)]


def counted(store: Store) -> dict[str, int]:
    """The numbers of `stats` that are not zero."""
    stats = store.stats()
    names = [*(str(state) for state in QueueState), "delayed", "expired_leases"]
    return {name: getattr(stats, name) for name in names if getattr(stats, name)}


def counted_by_key(store: Store) -> dict[tuple[str, str], int]:
    """The same by (key, state)."""
    by_key = store.stats().by_key
    pairs = ((key, states) for key, states in by_key.items() if key)
    return {(key, str(state)): n for key, states in pairs for state, n in states.items() if n}


def recounted(store: Store) -> dict[str, int]:
    """What `counted` must say, from the jobs themselves."""
    jobs, now = every_job(store), time.time()
    numbers = Counter(str(found.state) for found in jobs)
    queued = [found for found in jobs if found.state is QueueState.QUEUED]
    held = [found for found in jobs if found.state is QueueState.IN_PROGRESS]
    numbers["delayed"] = sum((found.not_before or 0) > now for found in queued)
    numbers["expired_leases"] = sum((found.lease_until or 0) <= now for found in held)
    return {name: number for name, number in numbers.items() if number}


def recounted_by_key(store: Store) -> dict[tuple[str, str], int]:
    """What `counted_by_key` must say, from the jobs themselves."""
    return dict(Counter((found.key, str(found.state)) for found in every_job(store) if found.key))


def check_the_counts(store: Store) -> None:
    """Whatever was done, the counts are those of the jobs."""
    assert counted(store) == recounted(store)
    assert counted_by_key(store) == recounted_by_key(store)
