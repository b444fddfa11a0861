"""What `stats` counts is what a look at each job would count."""

from __future__ import annotations

import random
import time

import pytest

from orchestrator.queue.model import NewJob, OnConflict, QueueState, Stats
from orchestrator.queue.store import Store
from tests.support.queue_place import (
    BRIEF,
    TTL,
    add,
    check_the_counts,
    counted,
    counted_by_key,
    lapsed,
    one,
    settle,
    soon,
    until,
)


def test_of_an_empty_queue_all_is_zero(store: Store) -> None:
    assert store.stats() == Stats()
    add(store, "a", key="k")
    store.cancel(["a"])
    until(lambda: store.prune(0))
    assert counted(store) == counted_by_key(store) == {}
    assert store.stats().total == 0


def test_it_counts_by_state(store: Store) -> None:
    add(store, "a", "b", "c", "d", "e", "f")
    add(store, "later", delay=TTL)
    held = store.lease(4, TTL)
    store.ack(held[0].token, QueueState.DONE)
    store.ack(held[1].token, QueueState.SKIPPED)
    store.ack(held[2].token, QueueState.ERROR)
    stats = store.stats()
    assert (stats.queued, stats.delayed, stats.in_progress) == (3, 1, 1)
    assert (stats.done, stats.skipped, stats.error) == (1, 1, 1)
    assert (stats.live, stats.total, stats.refused, stats.expired_leases) == (4, 7, 0, 0)
    check_the_counts(store)


def test_it_counts_by_key(store: Store) -> None:
    add(store, "a", "b", "c", key="k ü")
    add(store, "d", key="k2")
    add(store, "e")
    for lease in store.lease(5, TTL):
        if lease.id in "abd":
            store.ack(lease.token, QueueState.DONE if lease.id == "a" else QueueState.ERROR)
    assert counted_by_key(store) == {
        ("k ü", "done"): 1,
        ("k ü", "error"): 1,
        ("k ü", "in_progress"): 1,
        ("k2", "error"): 1,
    }
    assert "" not in store.stats().by_key


def test_it_tells_how_long_the_oldest_ready_job_has_waited(store: Store) -> None:
    assert store.stats().oldest_queued_s is None
    add(store, "later", delay=TTL)
    assert store.stats().oldest_queued_s is None
    add(store, "a", key="x")
    until(lambda: (store.stats().oldest_queued_s or 0) > 0.1)
    add(store, "b", key="y", priority=-5)
    assert 0.1 < (store.stats().oldest_queued_s or 0) < 60
    assert soon(store).id == "b"
    assert (store.stats().oldest_queued_s or 0) > 0.1
    one(store)
    assert store.stats().oldest_queued_s is None


def test_a_delayed_job_has_waited_since_it_became_ready(store: Store) -> None:
    added = time.monotonic()
    add(store, "a", delay=0.3)
    until(lambda: not store.lease(0, TTL) and store.stats().oldest_queued_s is not None)
    assert (store.stats().oldest_queued_s or 0) < time.monotonic() - added - 0.2


def test_it_counts_leases_that_ran_out_until_somebody_takes_them_back(store: Store) -> None:
    add(store, "a", "b", "c")
    held = one(store)
    lapsed(store, 2)
    assert counted(store) == {"in_progress": 3, "expired_leases": 2}
    store.lease(0, TTL)
    assert counted(store) == {"in_progress": 1, "queued": 2}
    store.ack(held.token, QueueState.DONE)


def test_a_look_changes_nothing(store: Store) -> None:
    add(store, "a", "b", key="k")
    lapsed(store)
    before = store.stats()
    for _ in range(3):
        store.jobs()
        store.job("a")
        store.next_at()
        store.limits()
        store.stats()
    after = store.stats()
    assert (before.queued, before.expired_leases) == (after.queued, after.expired_leases) == (1, 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_after_many_random_steps_the_counts_are_those_of_the_jobs(store: Store, seed: int) -> None:
    draw = random.Random(seed)
    held: list[str] = []
    for step in range(150):
        name, key = str(draw.randrange(40)), draw.choice(["", "a", "b", "a:queued"])
        what = draw.randrange(10)
        if what < 3:
            delay = draw.choice([0, 0, BRIEF, TTL])
            new = NewJob(name, priority=draw.randrange(3), delay=delay, key=key, host=name[0])
            store.enqueue([new], draw.choice(list(OnConflict)))
        elif what < 6:
            leases = store.lease(draw.randrange(4), draw.choice([BRIEF, TTL]))
            held += [lease.token for lease in leases]
        elif held:
            token = held.pop(draw.randrange(len(held)))
            if not store.heartbeat([token], TTL):
                finish(store, token, what, draw)
        if draw.random() < 0.1:
            store.cancel([name])
        if draw.random() < 0.1:
            store.retry_failed(limit=2)
        if draw.random() < 0.05:
            store.prune(0, [draw.choice([QueueState.DONE, QueueState.ERROR, QueueState.SKIPPED])])
        if not step % 10:
            settle(store)
            check_the_counts(store)


def finish(store: Store, token: str, what: int, draw: random.Random) -> None:
    if what == 6:
        store.ack(token, draw.choice([QueueState.DONE, QueueState.SKIPPED, QueueState.ERROR]))
    elif what == 7:
        store.retry(token, "boom", draw.choice([0, BRIEF, TTL]))
    elif what == 8:
        store.release([token])
    else:
        store.commit(token, QueueState.DONE, new_jobs=[NewJob(f"{token}", key="new")])
