"""How somebody who has nothing to do learns that there is work."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.queue.model import NewJob, OnConflict, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import TTL, Place, add, end, lapsed, one, until

SPAWN = multiprocessing.get_context("spawn")
#: Seconds: longer than anybody should wait, shorter than a test may take.
LONG = 20.0


def at_rest(store: Store) -> None:
    """Take notice of all that was done so far."""
    store.lease(0, TTL)
    until(lambda: not store.wakes(0.01))


def test_where_nothing_waits_nothing_is_due(store: Store) -> None:
    assert store.next_at() is None
    add(store, "a")
    assert store.next_at() is None
    end_it = one(store)
    store.ack(end_it.token, QueueState.DONE)
    assert store.next_at() is None


def test_the_next_delayed_job_or_lease_is_told(store: Store) -> None:
    add(store, "a", delay=500)
    assert 400 < (store.next_at() or 0) <= 500
    add(store, "b", delay=300)
    assert 200 < (store.next_at() or 0) <= 300
    add(store, "c")
    held = one(store)
    assert 200 < (store.next_at() or 0) <= 300
    store.heartbeat([held.token], 100)
    assert 50 < (store.next_at() or 0) <= 100
    store.ack(held.token, QueueState.DONE)
    store.cancel(["b"])
    assert 400 < (store.next_at() or 0) <= 500


def test_what_is_overdue_is_due_now(store: Store) -> None:
    add(store, "a")
    lapsed(store)
    assert store.next_at() == 0
    store.lease(0, TTL)
    assert store.next_at() is None


def test_it_waits_no_longer_than_it_should(store: Store) -> None:
    at_rest(store)
    began = time.monotonic()
    assert not store.wakes(0.2)
    assert 0.15 < time.monotonic() - began < LONG
    assert not store.wakes(0)


def requeue(store: Store) -> object:
    return store.enqueue([NewJob("done")], OnConflict.REQUEUE)


ARRIVALS: dict[str, Callable[[Store, str], object]] = {
    "enqueue": lambda store, _: add(store, "new"),
    "enqueue at a later turn": lambda store, _: add(store, "new", priority=9, key="k", host="h"),
    "requeue": lambda store, _: requeue(store),
    "commit": lambda store, token: store.commit(
        token, QueueState.DONE, new_jobs=[NewJob("new", key="k")]
    ),
    "release": lambda store, token: store.release([token]),
    "retry at once": lambda store, token: store.retry(token, "boom", 0),
    "retry failed": lambda store, _: store.retry_failed(),
}


def prepared(store: Store) -> str:
    """A job that is done, one that failed, one that is held, whose token is returned, and no other."""
    end(store, "done")
    end(store, "failed", QueueState.ERROR)
    add(store, "held")
    token = one(store).token
    at_rest(store)
    return token


@pytest.mark.parametrize("arrival", sorted(ARRIVALS))
def test_whatever_makes_work_wakes_who_waits(store: Store, other: Store, arrival: str) -> None:
    token = prepared(store)
    with ThreadPoolExecutor() as pool:
        woken = pool.submit(store.wakes, LONG)
        until(woken.running)
        began = time.monotonic()
        ARRIVALS[arrival](other, token)
        assert woken.result()
        assert time.monotonic() - began < LONG / 4
    assert store.lease(1, TTL)


@pytest.mark.parametrize("arrival", sorted(ARRIVALS))
def test_work_that_came_before_the_wait_is_not_missed(
    store: Store, other: Store, arrival: str
) -> None:
    token = prepared(store)
    assert store.lease(1, TTL) == []
    ARRIVALS[arrival](other, token)
    assert store.wakes(LONG)
    assert store.lease(1, TTL)


def test_the_same_store_wakes_its_other_threads(store: Store) -> None:
    at_rest(store)
    with ThreadPoolExecutor() as pool:
        woken = pool.submit(store.wakes, LONG)
        until(woken.running)
        add(store, "a")
        assert woken.result(LONG / 4)


def test_who_waits_at_a_queue_that_nobody_has_made_is_woken(queue_place: Place) -> None:
    with (
        ThreadPoolExecutor() as pool,
        queue_place.open() as early,
        queue_place.open() as late,
    ):
        woken = pool.submit(early.wakes, LONG)
        until(woken.running)
        add(late, "a")
        assert woken.result(LONG / 4)
        assert one(early).id == "a"


def test_everybody_who_waits_is_woken(store: Store, other: Store) -> None:
    """Who comes too late for the job waits again."""
    at_rest(store)
    at_rest(other)
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(each.wakes, LONG) for each in (store, other)]
        until(lambda: all(each.running() for each in waiting))
        add(store, "a")
        assert all(each.result(LONG / 4) for each in waiting)


def enqueue_elsewhere(place: Place) -> None:
    with place.open() as store:
        store.enqueue([NewJob("from elsewhere")])


def test_another_process_wakes_who_waits(store: Store, queue_place: Place) -> None:
    at_rest(store)
    elsewhere = SPAWN.Process(target=enqueue_elsewhere, args=(queue_place,))
    elsewhere.start()
    assert store.wakes(LONG)
    assert one(store).id == "from elsewhere"
    elsewhere.join(LONG)
    assert elsewhere.exitcode == 0


def test_work_wakes_within_milliseconds(store: Store, other: Store) -> None:
    """The best of some: a busy machine may be late, but a poll of a second never is early."""
    waits = []
    for number in range(8):
        at_rest(store)
        began = threading.Event()
        with ThreadPoolExecutor() as pool:
            woken = pool.submit(lambda began=began: (began.set(), store.wakes(LONG))[1])
            began.wait()
            time.sleep(0.05)
            added = time.monotonic()
            add(other, str(number))
            assert woken.result()
            waits.append(time.monotonic() - added)
        one(store)
    assert min(waits) < 0.05, waits
