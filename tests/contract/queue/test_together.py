"""Several verbs in one transaction, and several threads on one store."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import Lease, Limits, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import (
    TTL,
    add,
    check_the_counts,
    counted,
    job,
    lapsed,
    one,
    until,
)


def test_all_that_is_done_together_is_done(store: Store, other: Store) -> None:
    """The turn of a dispatcher."""
    add(store, "a", "b", "c", "d")
    first, second = store.lease(2, TTL)
    with store.together():
        store.ack(first.token, QueueState.DONE, result="1")
        assert store.heartbeat([second.token], TTL) == []
        assert store.commit(second.token, QueueState.DONE, new_jobs=[NewJob("e")]) == 1
        taken = store.lease(9, TTL)
        assert store.enqueue([NewJob("f")]) == 1
        assert [lease.id for lease in taken] == ["c", "d", "e"]
        assert job(store, "a").result == "1"
        assert store.stats().in_progress == 3
    assert counted(other) == {"done": 2, "in_progress": 3, "queued": 1}
    check_the_counts(other)


def test_one_that_is_refused_undoes_nothing_of_the_others(store: Store, other: Store) -> None:
    add(store, "a", "b", "c")
    (stale,) = lapsed(store)
    first, second = store.lease(2, TTL)
    with store.together():
        store.ack(first.token, QueueState.DONE)
        with pytest.raises(LeaseLost):
            store.commit(stale.token, QueueState.DONE, new_jobs=[NewJob("never")])
        with pytest.raises(ValueError, match="queued"):
            store.ack(second.token, QueueState.QUEUED)
        store.ack(second.token, QueueState.DONE)
    assert counted(other) == {"done": 2, "queued": 1}
    assert other.job("never") is None


@pytest.mark.parametrize("error", [LeaseLost("lost"), RuntimeError("a bug"), KeyboardInterrupt()])
def test_an_error_that_leaves_the_block_undoes_nothing(
    store: Store, other: Store, error: BaseException
) -> None:
    def fails() -> None:
        with store.together():
            store.ack(one(store).token, QueueState.DONE)
            add(store, "b")
            raise error

    add(store, "a")
    with pytest.raises(type(error)):
        fails()
    assert counted(other) == {"done": 1, "queued": 1}
    assert one(other).id == "b"


def test_blocks_may_be_nested(store: Store, other: Store) -> None:
    def is_refused() -> None:
        with store.together():
            add(store, "b")
            store.ack("1.1.1", QueueState.DONE)

    with store.together():
        add(store, "a")
        with pytest.raises(LeaseLost):
            is_refused()
        with store.together():
            add(store, "c")
        add(store, "d")
    assert [lease.id for lease in other.lease(9, TTL)] == ["a", "b", "c", "d"]


def test_a_block_without_verbs_is_nothing(store: Store) -> None:
    with store.together():
        pass
    with store.together(), store.together():
        store.stats()
    add(store, "a")
    assert one(store).id == "a"


def test_whatever_other_threads_do_beside_a_block_is_done(store: Store, other: Store) -> None:
    def adds(mine: Store, name: str) -> None:
        for number in range(10):
            add(mine, f"{name}{number}")

    with ThreadPoolExecutor() as pool:
        with store.together():
            add(store, "a")
            beside = [pool.submit(adds, store, "same"), pool.submit(adds, other, "other")]
            until(lambda: all(each.running() or each.done() for each in beside))
            add(store, "b")
        for each in beside:
            each.result(20)
    assert counted(store) == {"queued": 22}


def test_many_verbs_together_are_allowed(store: Store, other: Store) -> None:
    store.enqueue([NewJob(str(number)) for number in range(1000)])
    for _ in range(2):
        leases = store.lease(500, TTL)
        with store.together():
            for lease in leases:
                store.ack(lease.token, QueueState.DONE)
    assert counted(other) == {"done": 1000}


def test_the_limits_hold_within_a_block(store: Store) -> None:
    store.set_limits(Limits(every_key=2))
    add(store, *map(str, range(9)), key="k")
    with store.together():
        leases = store.lease(1, TTL) + store.lease(5, TTL)
        assert len(leases) == 2
        assert store.lease(5, TTL) == []
        store.release([lease.token for lease in leases])
    until(lambda: len(leases := store.lease(5, TTL)) == 2 or store.release(map(token_of, leases)))


def token_of(lease: Lease) -> str:
    return lease.token


def test_threads_may_share_a_store(store: Store) -> None:
    store.enqueue([NewJob(str(number), key=str(number % 5)) for number in range(400)])
    worked: Counter[str] = Counter()
    guard = threading.Lock()

    def work(number: int) -> None:
        while leases := store.lease(1 + number % 4, TTL, worker=f"w{number}"):
            lost = store.heartbeat([lease.token for lease in leases], TTL)
            assert not lost
            with guard:
                worked.update(lease.id for lease in leases)
            for lease in leases:
                if number % 2:
                    store.ack(lease.token, QueueState.DONE)
                else:
                    store.commit(lease.token, QueueState.DONE, result=lease.id)
            store.stats()

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(work, number) for number in range(8)]:
            each.result(60)
    assert worked == Counter(map(str, range(400)))
    assert counted(store) == {"done": 400}


def test_threads_that_enqueue_the_same_ids_add_each_once(store: Store, other: Store) -> None:
    jobs = [NewJob(str(number)) for number in range(300)]
    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(lambda mine: mine.enqueue(jobs), [store, other] * 2))
    assert sum(new) == 300
    check_the_counts(store)


def test_of_many_who_end_the_same_lease_one_does(store: Store, other: Store) -> None:
    def ends(mine: Store, token: str) -> bool:
        try:
            mine.commit(token, QueueState.DONE, new_jobs=[NewJob(f"after {token}")])
        except LeaseLost:
            return False
        return True

    for number in range(20):
        add(store, str(number))
        lease = next(lease for lease in store.lease(9, TTL) if lease.id == str(number))
        with ThreadPoolExecutor(4) as pool:
            ended = list(pool.map(ends, [store, other] * 2, [lease.token] * 4))
        assert sorted(ended) == [False, False, False, True]


def test_a_store_that_a_thread_has_left_can_be_closed(store: Store) -> None:
    add(store, "a")
    for _ in range(5):
        thread = threading.Thread(target=store.stats)
        thread.start()
        thread.join()
    store.close()
    assert one(store).id == "a"
