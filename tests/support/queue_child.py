"""A worker of a queue that is made to be killed: what it does it writes down first, and after."""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import Lease, NewJob, QueueState
from orchestrator.queue.store import Store
from orchestrator.queue.token import parse
from tests.support.queue_place import Place

#: Seconds: short enough that a test can wait for it some times.
LEASE = 0.6
#: A job must not end as error for having been killed so often.
ATTEMPTS = 1000


@dataclass
class Book:
    """An append-only file; each line reaches the kernel before the next step."""

    path: Path

    def write(self, *words: object) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write((" ".join(map(str, words)) + "\n").encode())


@dataclass
class Told:
    """What the books say of one lease."""

    job: str
    #: Seconds on the clock of all processes: the lease was given between the two.
    asked: float
    got: float
    #: Nobody else may have it before.
    until: float
    #: Verbs by which it was to end, begun and done.
    begun: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    lost: bool = False


def read(books: Iterable[Path]) -> dict[str, Told]:
    """Return all leases by token; a line that was cut off was never written."""
    told: dict[str, Told] = {}
    for path in books:
        text = path.read_text() if path.exists() else ""
        for line in text[: text.rfind("\n") + 1].splitlines():
            word, token, *rest = line.split(" ")
            if word == "lease":
                asked, got, job = float(rest[0]), float(rest[1]), rest[2]
                told[token] = Told(job, asked, got, asked + LEASE)
            elif word == "beat":
                told[token].until = max(told[token].until, float(rest[0]) + LEASE)
            elif word == "lost":
                told[token].lost = True
            else:
                getattr(told[token], word).append(rest[0])
    return told


def by_job(told: dict[str, Told]) -> dict[str, list[tuple[str, Told]]]:
    """The leases of each job in the order in which they were given: who got one may learn of it late."""
    jobs: dict[str, list[tuple[str, Told]]] = defaultdict(list)
    for token, lease in sorted(told.items(), key=lambda item: parse(item[0]).fence):
        jobs[lease.job].append((token, lease))
    return jobs


def link(lease: Lease) -> NewJob:
    """The new job of a commit: there when the commit was carried out, and only then."""
    return NewJob(f"{lease.id}>{lease.token}", key="link")


def work(place: Place, path: Path, seed: int) -> None:
    """Lease and end jobs until killed."""
    book, draw = Book(path), random.Random(seed)
    with place.open() as store:
        book.path.touch()
        while True:
            asked = time.monotonic()
            n = draw.choice([1, 1, 2, 5])
            leases = store.lease(n, LEASE, worker=str(os.getpid()), max_attempts=ATTEMPTS)
            got = time.monotonic()
            for lease in leases:
                book.write("lease", lease.token, asked, got, lease.id)
            for lease in leases:
                one_job(store, lease, book, draw)
            if not leases:
                store.wakes(0.05)


def one_job(store: Store, lease: Lease, book: Book, draw: random.Random) -> None:
    """Work a little, then end it somehow."""
    if draw.random() < 0.2:
        asked = time.monotonic()
        if not store.heartbeat([lease.token], LEASE):
            book.write("beat", lease.token, asked)
    time.sleep(draw.random() * 0.004)
    verb = draw.choices(["ack", "commit", "retry", "release"], [10, 10, 2, 2])[0]
    book.write("begun", lease.token, verb)
    try:
        end(store, lease, verb)
    except LeaseLost:
        book.write("lost", lease.token)
    else:
        book.write("done", lease.token, verb)


def end(store: Store, lease: Lease, verb: str) -> None:
    """By the verb; whoever is refused raises."""
    result = f'"{lease.token}"'
    if verb == "ack":
        store.ack(lease.token, QueueState.DONE, result=result)
    elif verb == "commit":
        links = [] if ">" in lease.id else [link(lease)]
        store.commit(lease.token, QueueState.DONE, result=result, new_jobs=links)
    elif verb == "retry":
        store.retry(lease.token, "boom", 0.01)
    elif store.release([lease.token]):
        raise LeaseLost(lease.token)


def enqueue(place: Place, path: Path, prefix: int) -> None:
    """Add jobs in long calls until killed."""
    book = Book(path)
    with place.open() as store:
        number = 0
        while True:
            ids = [f"{prefix}-{number + more}" for more in range(3000)]
            book.write("begun", ids[0])
            store.enqueue([NewJob(name, key=str(prefix)) for name in ids])
            number += len(ids)


def commit_much(place: Place, path: Path, _: int) -> None:
    """End jobs with more new ones than fit into a step until killed; all wait at a later turn."""
    book = Book(path)
    with place.open() as store:
        while True:
            leases = store.lease(1, 5 * LEASE, max_attempts=ATTEMPTS)
            for lease in leases:
                book.write("begun", lease.id)
                with suppress(LeaseLost):  # it was put off for longer than that: once more
                    store.commit(lease.token, QueueState.DONE, new_jobs=links(lease.id))
            if not leases:
                store.wakes(0.05)


def links(job_id: str) -> list[NewJob]:
    """The new jobs of such a one: never due while a test runs."""
    return [NewJob(f"{job_id}>{number}", delay=3600) for number in range(2300)]
