"""A cold job beside thousands of keys of one host, whose jobs end and are leased all the time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from orchestrator.queue.model import Lease, Limits, NewJob, QueueState
from orchestrator.queue.store import Store
from tests.support.queue_place import TTL, Place, check_the_counts

HOT = 3000
#: A cold job is leased within so many turns of a runner.
TURNS = 50
#: So many turns look at all hot ones.
SETTLED = 70


@pytest.fixture
def store(queue_place: Place) -> Iterator[Store]:
    with queue_place.open() as opened:
        yield opened


class Flow:
    """A runner that ends what it has, in one way or another, and leases as much as it can take."""

    def __init__(self, store: Store, n: int, *, together: bool, ways: str, seed: int = 0) -> None:
        self.store = store
        self.n = n
        self.together = together
        self.ways = ways
        self.choice = random.Random(seed)
        self.held: list[Lease] = []
        self.count = 0

    def add(self, many: int, **fields: object) -> None:
        """Jobs of new keys, all of the same host."""
        numbers = range(self.count, self.count + many)
        self.store.enqueue(
            [NewJob(f"hot{n}", key=f"k{n}", host="hot", **fields) for n in numbers]  # type: ignore[arg-type]
        )
        self.count += many

    def settle(self) -> None:
        """Go on until all that wait for the host have been looked at once, and some more."""
        for _ in range(SETTLED):
            self.turn()

    def turn(self) -> list[Lease]:
        """End all that is held, and lease more; return that."""
        with self.store.together() if self.together else nullcontext():
            for lease in self.held:
                self._end(lease)
            self.held = self.store.lease(self.n, TTL)
        return self.held

    def turns_until(self, job_id: str, most: int = TURNS) -> None:
        """This job is leased within so many turns."""
        assert any(lease.id == job_id for _ in range(most) for lease in self.turn())

    def _end(self, lease: Lease) -> None:
        match self.choice.choice(self.ways):
            case "a":
                self.store.ack(lease.token, QueueState.DONE)
            case "r":
                self.store.retry(lease.token, "boom", 0)
            case "g":
                self.store.release([lease.token])
            case "c":
                self.store.cancel([lease.id])
            case "1" | "n" as way:
                self.store.commit(lease.token, QueueState.DONE)
                self.add(1 if way == "1" else 3)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("ways", ["a", "r", "g", "n", "aargcn"])
@pytest.mark.parametrize("room", [1, 12])
def test_it_is_leased_though_it_is_less_urgent(
    store: Store, together: bool, ways: str, room: int
) -> None:
    store.set_limits(Limits(per_host=room))
    flow = Flow(store, room + 10, together=together, ways=ways)
    flow.add(HOT)
    flow.settle()
    for number in range(6):
        store.enqueue(
            [NewJob(f"cold{number}", key="cold", host=f"cold{number}", priority=5 * number)]
        )
        flow.turns_until(f"cold{number}")
    check_the_counts(store)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("key", ["a", "z"])
def test_it_is_leased_in_its_turn_though_others_come_for_each_place(
    store: Store, together: bool, key: str
) -> None:
    """Each that ends brings a new key: those come behind it, whatever they are called."""
    store.set_limits(Limits(per_host=1))
    flow = Flow(store, 5, together=together, ways="1")
    flow.add(20)
    for _ in range(3):
        flow.turn()
    before = store.stats().queued
    store.enqueue([NewJob("cold", key=key, host="cold")])
    flow.n = 1
    flow.turns_until("cold", before + 3)
    check_the_counts(store)


@pytest.mark.parametrize("ways", ["a", "aargcn"])
def test_it_is_leased_while_more_hot_ones_come_than_are_ever_looked_at(
    store: Store, ways: str
) -> None:
    store.set_limits(Limits(per_host=2))
    flow = Flow(store, 8, together=True, ways=ways)
    flow.add(HOT)
    store.enqueue([NewJob("cold", key="cold", host="cold", priority=7)])
    for _ in range(TURNS):
        flow.add(500, priority=flow.choice.choice([-1, 0]))
        if any(lease.id == "cold" for lease in flow.turn()):
            return
    raise AssertionError("never leased")


@pytest.mark.parametrize("seed", range(20))
def test_a_place_of_a_host_is_never_left_free(store: Store, seed: int) -> None:
    """Whoever holds it ends it somehow; those that wait may be held back by their keys, too."""
    choice = random.Random(seed)
    room = choice.choice([1, 3, 10])
    store.set_limits(Limits(every_key=1, per_host=room))
    keys = 40
    store.enqueue(
        [
            NewJob(f"{n}", key=f"k{n % keys}", host=f"h{n % 3}", priority=choice.choice([0, 0, 3]))
            for n in range(1500)
        ]
    )
    flow = Flow(store, 3 * room + 5, together=bool(seed % 2), ways="aargc", seed=seed)
    flow.turn()
    for _ in range(60):
        leases = flow.turn()
        leases += store.lease(1, TTL)  # what one call may look at is bounded
        assert len(leases) == 3 * room, (room, len(leases))
        assert len({lease.key for lease in leases}) == len(leases)
    check_the_counts(store)
