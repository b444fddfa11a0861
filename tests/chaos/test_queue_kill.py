"""Whoever is killed, whenever: no job is lost, none is stuck, none is ended twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support import queue_child
from tests.support.queue_child import ATTEMPTS, LEASE, by_job, links, read
from tests.support.queue_place import (
    ALL,
    TTL,
    Place,
    add,
    check_the_counts,
    counted,
    every_job,
    job,
    until,
)

JOBS, KILLS, STOPS = 1000, 50, 8
#: Seconds that two readings of the same clock, in milliseconds, may differ by.
TICK = 0.002

# Children of a server that has imported all: one that is killed is replaced within milliseconds.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.support.queue_child"])


@dataclass
class Crew:
    """Children at work, each with a book of its own."""

    place: Place
    folder: Path
    target: Callable[..., None]
    books: list[Path] = field(default_factory=list)
    running: dict[Path, BaseProcess] = field(default_factory=dict)

    def hire(self) -> None:
        book = self.folder / f"book-{len(self.books)}"
        child = CHILDREN.Process(target=self.target, args=(self.place, book, len(self.books)))
        child.start()
        self.books.append(book)
        self.running[book] = child

    def kill(self, book: Path) -> None:
        child = self.running.pop(book)
        assert child.is_alive(), "a child ended by itself"
        child.kill()
        child.join()

    def end(self) -> None:
        for child in self.running.values():
            child.kill()
            child.join()


@pytest.fixture
def crew(queue_place: Place, tmp_path: Path) -> Iterator[Crew]:
    made = Crew(queue_place, tmp_path, queue_child.work)
    yield made
    made.end()


def lines(book: Path) -> int:
    return book.read_bytes().count(b"\n") if book.exists() else 0


def let_it_work(store: Store, ids: set[str], book: Path, more: int) -> None:
    """Wait until the child has written so much more; at any step of it the next signal may come."""
    before = lines(book)

    def has_worked() -> bool:
        top_up(store, ids)
        return lines(book) >= before + more

    until(has_worked, 60)
    time.sleep(random.random() * 0.005)


def work_off(store: Store) -> None:
    """End all that is left, as one who is not killed."""

    def all_ended() -> bool:
        with store.together():
            for lease in store.lease(100, TTL, max_attempts=ATTEMPTS):
                store.ack(lease.token, QueueState.DONE, result=f'"{lease.token}"')
        return not store.stats().live

    until(all_ended, 60)


def test_fifty_killed_workers_lose_nothing_and_end_nothing_twice(
    queue_place: Place, crew: Crew
) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201  pytest shows it when the test fails
    random.seed(seed)
    ids: set[str] = set()
    with queue_place.open() as store:
        for _ in range(4):
            crew.hire()
        fates = random.sample([signal.SIGKILL] * KILLS + [signal.SIGSTOP] * STOPS, KILLS + STOPS)
        for fate in fates:
            book = random.choice(list(crew.running))
            let_it_work(store, ids, book, random.randrange(1, 60))
            if fate == signal.SIGSTOP:
                stand_still(crew.running[book])
            else:
                crew.kill(book)
                crew.hire()
        crew.end()
        until(lambda: store.stats().expired_leases == store.stats().in_progress, 60)
        work_off(store)
        check_the_books(store, crew, ids)


def top_up(store: Store, ids: set[str]) -> None:
    """Let nobody have nothing to do."""
    if store.stats().queued < JOBS / 2:
        new = [f"job-{number}" for number in range(len(ids), len(ids) + JOBS)]
        store.enqueue([NewJob(name, key=name[-1], host=name[-2:]) for name in new])
        ids.update(new)


def stand_still(child: BaseProcess) -> None:
    """Longer than its leases: what it ends afterwards is no longer its own."""
    assert child.pid
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(LEASE * 1.2)
    os.kill(child.pid, signal.SIGCONT)


def check_the_books(store: Store, crew: Crew, ids: set[str]) -> None:
    told = read(crew.books)
    jobs = {found.id: found for found in every_job(store)}
    check_the_counts(store)

    # None is lost, none is stuck.
    assert ids <= jobs.keys()
    assert {found.state for found in jobs.values()} == {QueueState.DONE}

    # Each was ended once; the result is that of the lease that ended it.
    for name, leases in by_job(told).items():
        ended = [
            token for token, lease in leases if {"ack", "commit"} & set(lease.done) and lease.begun
        ]
        assert len(ended) <= 1, name
        assert not ended or jobs[name].result == f'"{ended[0]}"'

    # New jobs came with the end of their job or not at all.
    commits = {
        f"{lease.job}>{token}": f'"{token}"'
        for token, lease in told.items()
        if "commit" in lease.begun and ">" not in lease.job
    }
    for name, result in commits.items():
        assert (name in jobs) == (jobs[name.split(">")[0]].result == result), name
    assert jobs.keys() <= ids | commits.keys()

    # Again only after a lease ran out, or was given back.
    again = 0
    for name, leases in by_job(told).items():
        for (_, earlier), (_, later) in pairwise(leases):
            given_back = {"retry", "release"} & set(earlier.begun)
            again += not given_back
            assert given_back or later.got >= earlier.until - TICK, name
    unfinished = sum(not (lease.done or lease.lost) for lease in told.values())
    print(f"{len(told)} leases, {unfinished} cut short, {again} jobs again")  # noqa: T201
    assert unfinished >= KILLS / 5, "hardly anybody was killed at work"
    assert again

    # Whoever was refused had lost it, and nobody ends anything afterwards.
    for token in told:
        with pytest.raises(LeaseLost):
            store.ack(token, QueueState.ERROR)
    assert store.heartbeat(told, TTL) == list(told)
    assert counted(store) == {"done": len(jobs)}


def test_a_call_that_enqueues_much_is_carried_out_in_whole_steps(
    queue_place: Place, tmp_path: Path
) -> None:
    crew = Crew(queue_place, tmp_path, queue_child.enqueue)
    with queue_place.open() as store:
        for number in range(8):
            crew.hire()
            book = crew.books[-1]
            until(lambda book=book: lines(book) > 1, 60)
            time.sleep(random.random() * 0.05)
            crew.kill(book)
            in_it = sum(store.stats().by_key[str(number)].values())
            assert in_it
            assert in_it % 1000 == 0
        check_the_counts(store)
        numbers = {found.id.split("-")[0] for found in every_job(store)}
        assert numbers == {str(number) for number in range(8)}
        last = job(store, "0-999")
        assert (last.state, last.key) == (QueueState.QUEUED, "0")


def test_a_commit_with_thousands_of_new_jobs_that_is_cut_short_is_done_again(
    queue_place: Place, tmp_path: Path
) -> None:
    crew = Crew(queue_place, tmp_path, queue_child.commit_much)
    ids = [f"job-{number}" for number in range(30)]
    cut = 0
    with queue_place.open() as store:
        add(store, *ids)
        for _ in range(6):
            crew.hire()
            until(lambda: lines(crew.books[-1]) > 1, 60)
            time.sleep(random.random() * 0.05)
            crew.kill(crew.books[-1])
            ended = {found.id for found in store.jobs(state=QueueState.DONE, limit=len(ids))}
            there = {found.id for found in store.jobs(state=QueueState.QUEUED, limit=ALL)} - {*ids}
            assert {link.id for name in ended for link in links(name)} <= there
            cut += len(there) > 2300 * len(ended)
        crew.hire()
        until(lambda: store.stats().done == len(ids), 120)
        crew.end()
        assert store.stats().queued == 2300 * len(ids)
        check_the_counts(store)
    print(f"{cut} of 6 were cut within a commit")  # noqa: T201
