"""What a lease takes, and what it says of it."""

from __future__ import annotations

from orchestrator.queue.model import Lease, NewJob, QueueState
from orchestrator.queue.store import Store
from orchestrator.queue.token import attempt_of
from tests.support.queue_place import TTL, add, check_the_counts, counted, lapsed, one


def test_it_returns_only_what_this_call_took(store: Store, other: Store) -> None:
    add(store, "a", "b", "c")
    assert [lease.id for lease in store.lease(2, TTL)] == ["a", "b"]
    assert [lease.id for lease in other.lease(2, TTL)] == ["c"]
    assert store.lease(2, TTL) == []
    check_the_counts(store)


def test_of_an_empty_queue_it_takes_nothing(store: Store) -> None:
    assert store.lease(1, TTL) == []
    assert store.lease(1000, TTL) == []


def test_a_lease_has_all_that_a_worker_needs(store: Store) -> None:
    store.enqueue([NewJob("https://x.example/?q=ü", '{"title": "größer"}', 0, 0, "k", "x.example")])
    lease = one(store)
    assert lease == Lease(
        "https://x.example/?q=ü", lease.token, '{"title": "größer"}', 1, "k", "x.example"
    )


def test_every_lease_has_a_token_of_its_own(store: Store, other: Store) -> None:
    add(store, *map(str, range(50)))
    tokens = []
    for taker in (store, other) * 3:
        leases = taker.lease(10, TTL)
        tokens += [lease.token for lease in leases]
        taker.release([lease.token for lease in leases])
    assert len(set(tokens)) == 60


def test_the_token_says_which_attempt_it_is(store: Store) -> None:
    add(store, "a")
    first = one(store)
    store.retry(first.token, "boom", 0)
    second = one(store)
    assert [lease.attempt for lease in (first, second)] == [1, 2]
    assert [attempt_of(lease.token) for lease in (first, second)] == [1, 2]


def test_a_lease_of_none_takes_none_and_takes_back_what_ran_out(store: Store) -> None:
    add(store, "a", "b")
    assert store.lease(0, TTL) == []
    lapsed(store)
    assert store.lease(0, TTL) == []
    assert counted(store) == {"queued": 2}


def test_many_are_taken_in_one_call(store: Store) -> None:
    add(store, *map(str, range(600)))
    assert [lease.id for lease in store.lease(500, TTL)] == [str(number) for number in range(500)]
    assert counted(store) == {"queued": 100, "in_progress": 500}


def test_a_store_that_was_closed_opens_again(store: Store) -> None:
    add(store, "a", "b")
    lease = one(store)
    store.close()
    store.ack(lease.token, QueueState.DONE)
    store.close()
    store.close()
    assert one(store).id == "b"


def test_all_stays_when_everybody_has_closed(store: Store, other: Store) -> None:
    add(store, "a", "b", "c")
    held = one(store)
    store.close()
    other.close()
    assert counted(other) == {"queued": 2, "in_progress": 1}
    other.ack(held.token, QueueState.DONE)
    assert one(store).id == "b"
