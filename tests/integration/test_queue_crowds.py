"""A cold job behind thousands of hot ones, on both stores."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.queue.model import Limits, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import (
    TTL,
    Place,
    add,
    all_there_is,
    at_last,
    check_the_counts,
    many,
    one,
    soon,
)


@pytest.fixture
def store(queue_place: Place) -> Iterator[Store]:
    with queue_place.open() as opened:
        yield opened


@pytest.mark.parametrize(
    ("limits", "hosts", "priority", "n"),
    [
        (Limits({"hot": 1}), 1, -1, 1),
        (Limits({"hot": 1}), 5000, 0, 10),
        (Limits({"hot": 0}), 5000, -1, 1),
        (Limits(per_host=0), 5000, -1, 10),
    ],
)
def test_a_cold_job_waits_behind_no_number_of_hot_ones(
    store: Store, limits: Limits, hosts: int, priority: int, n: int
) -> None:
    """Also when everybody else keeps asking, and what is held back has come again some times."""
    store.enqueue(many(5000, "hot", hosts, priority=priority))
    store.set_limits(limits)
    held = len(all_there_is(store, n))
    assert held == (limits.per_key.get("hot") or 0)
    for number in range(3):
        store.enqueue([NewJob(f"cold-{number}", key="cold")])
        assert at_last(store).key == "cold"
    check_the_counts(store)


def test_a_busy_host_with_many_keys_holds_nobody_else_back(store: Store) -> None:
    store.set_limits(Limits(per_host=1))
    store.enqueue([NewJob(str(number), key=f"k{number}", host="hot") for number in range(5000)])
    assert len(all_there_is(store, 10)) == 1
    add(store, "cold", key="k1", host="cold")
    assert at_last(store).id == "cold"


@pytest.mark.parametrize("others", [1, 10])
def test_who_waits_for_a_host_behind_keys_at_their_limits_comes_at_last(
    store: Store, others: int
) -> None:
    """A place of the host is offered to those first, who cannot take it."""
    store.set_limits(Limits(every_key=1, per_host=1))
    add(store, "first", key="first", host="x")
    first = one(store)
    for number in range(others):
        add(store, f"waits-{number}", key=f"k{number}", host="x")
    assert store.lease(50, TTL) == []
    for number in range(others):
        add(store, f"runs-{number}", key=f"k{number}", host=f"h{number}")
        assert one(store).id == f"runs-{number}"
    add(store, "last", key="last", host="x")
    assert store.lease(50, TTL) == []
    store.ack(first.token, QueueState.DONE)
    assert soon(store, 10).id == "last"


def test_thousands_of_keys_at_their_limits_hold_nobody_else_back(store: Store) -> None:
    store.set_limits(Limits({"cold": 9}, every_key=0))
    store.enqueue([NewJob(str(i), key=f"hot{i}", priority=-1) for i in range(3000)])
    for number in range(3):
        add(store, f"cold-{number}", key="cold")
        assert at_last(store).key == "cold"
    assert all_there_is(store, 10) == []


def test_thousands_that_were_cancelled_hold_nobody_up(store: Store) -> None:
    hot = [NewJob(str(number), key=f"k{number}", host=f"h{number}") for number in range(3000)]
    store.enqueue([*hot, NewJob("cold", key="z")])
    assert store.cancel(job.id for job in hot) == 3000
    assert [lease.id for lease in store.lease(1, TTL)] == ["cold"]
    check_the_counts(store)
