"""No sequence of verbs, crashes and time makes a store differ from the simple model."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.errors import LeaseLost
from orchestrator.core.redis import Redis
from orchestrator.queue.model import ENDED, KEPT, Limits, NewJob, OnConflict, QueueState
from orchestrator.queue.store import Store
from tests.contract.queue.model import HELD, Model
from tests.support.queue_place import TTL, Place, until

#: Seconds: over when `World.let_it_pass` returns.
MOMENT = 0.002
IDS = st.sampled_from("abcdefghij")
KEYS, HOSTS = st.sampled_from(["", "k", "l"]), st.sampled_from(["", "h", "i"])
WAITS = st.sampled_from([0.0, 0.0, 0.0, MOMENT, TTL])
STATES = st.sampled_from(sorted(ENDED))
NUMBER = st.integers(0, 20)
LIMITS = st.builds(
    Limits,
    st.dictionaries(st.sampled_from("kl"), st.integers(0, 2), max_size=2),
    st.none() | st.integers(0, 2),
    st.none() | st.integers(0, 2),
)
JOBS = st.lists(
    st.tuples(IDS, st.sampled_from(["1", "2"]), st.integers(-1, 1), KEYS, HOSTS),
    min_size=1,
    max_size=6,
)
KEEPS = st.just(()) | st.sets(st.sampled_from(sorted(KEPT))).map(tuple)
ENQUEUE = st.tuples(st.just("enqueue"), JOBS, WAITS, st.sampled_from(OnConflict), KEEPS)
LEASE = st.tuples(
    st.just("lease"), st.integers(0, 4), st.integers(1, 3), st.sampled_from([TTL, TTL, MOMENT])
)
END = st.one_of(
    st.tuples(st.just("ack"), NUMBER, STATES),
    st.tuples(st.just("commit"), NUMBER, STATES, JOBS),
    st.tuples(st.just("retry"), NUMBER, WAITS),
    st.tuples(st.just("release"), st.lists(NUMBER, max_size=3)),
    st.tuples(st.just("heartbeat"), st.lists(NUMBER, max_size=3), st.sampled_from([TTL, MOMENT])),
)
UPKEEP = st.one_of(
    st.tuples(st.just("cancel"), st.lists(IDS, max_size=3)),
    st.tuples(
        st.just("retry_failed"),
        st.none() | KEYS.filter(bool),
        st.none() | st.lists(IDS, max_size=3),
    ),
    st.tuples(st.just("forget"), st.lists(IDS, max_size=3)),
    st.tuples(st.just("expire"), st.lists(IDS, max_size=3)),
    st.tuples(st.just("prune"), st.sets(st.sampled_from(QueueState))),
)
LIMIT = st.tuples(st.just("limit"), LIMITS)
#: Most sequences keep without limits: then all that is ready must come, strictly by priority.
PLAIN = st.lists(st.one_of(ENQUEUE, LEASE, LEASE, END, END, UPKEEP), min_size=8, max_size=40)
LIMITED = st.lists(st.one_of(ENQUEUE, LEASE, LEASE, END, LIMIT, UPKEEP), min_size=8, max_size=40)


@dataclass
class World:
    """A store, the model, and every token that was ever given out."""

    store: Store
    model: Model = field(default_factory=Model)
    tokens: list[str] = field(default_factory=lambda: ["1.1.nobody"])

    def do(self, action: str, *details: Any) -> None:
        getattr(self, action)(*details)
        self.model.check(self.store.stats())

    def let_it_pass(self, seconds: float) -> bool:
        """Wait for the end of a moment; tell whether it was one."""
        if seconds == MOMENT:
            time.sleep(3 * MOMENT)
        return seconds == MOMENT

    def enqueue(
        self,
        jobs: list[tuple[Any, ...]],
        delay: float,
        policy: OnConflict,
        keep: tuple[str, ...],
    ) -> None:
        new = [NewJob(name, text, n, delay, key, host, keep) for name, text, n, key, host in jobs]
        told = self.store.enqueue(new, policy)
        if "delay" in keep:  # what is due and keeps that may be due a millisecond from now
            time.sleep(MOMENT)
        assert told == self.model.enqueue(new, policy, due=self.let_it_pass(delay))

    def lease(self, n: int, max_attempts: int, ttl: float) -> None:
        leases = self.store.lease(n, TTL, worker="w", max_attempts=max_attempts)
        # Only then: a call that looks twice would find them lapsed, and take them once more.
        if ttl < TTL:
            assert self.store.heartbeat([lease.token for lease in leases], ttl) == []
        self.model.lease(leases, n, max_attempts, lapsed=self.let_it_pass(ttl))
        assert not {lease.token for lease in leases} & set(self.tokens), "a token came twice"
        self.tokens += [lease.token for lease in leases]

    def token(self, number: int) -> str:
        """Counted from the newest."""
        return self.tokens[-1 - number % len(self.tokens)]

    @contextlib.contextmanager
    def refused_if_lost(self, token: str) -> Iterator[None]:
        if self.model.holder(token):
            yield
            return
        with pytest.raises(LeaseLost):
            yield

    def ack(self, number: int, state: QueueState) -> None:
        token = self.token(number)
        with self.refused_if_lost(token):
            self.store.ack(token, state, reason="acked", result="1")
        if holder := self.model.holder(token):
            self.model.end(holder, state, "acked", "1")

    def commit(self, number: int, state: QueueState, jobs: list[tuple[Any, ...]]) -> None:
        token, holder = self.token(number), self.model.holder(self.token(number))
        new = [NewJob(name, text, n, 0.0, key, host) for name, text, n, key, host in jobs]
        with self.refused_if_lost(token):
            told = self.store.commit(token, state, reason="why", result="2", new_jobs=new)
            assert told == self.model.enqueue(new, OnConflict.IGNORE, due=False)
        if holder:
            self.model.end(holder, state, "why", "2")

    def retry(self, number: int, delay: float) -> None:
        token, holder = self.token(number), self.model.holder(self.token(number))
        with self.refused_if_lost(token):
            self.store.retry(token, "boom", delay)
        if holder:
            self.model.retry(holder, "boom", delay, due=self.let_it_pass(delay))

    def release(self, numbers: list[int]) -> None:
        tokens = list(dict.fromkeys(map(self.token, numbers)))
        holders = [self.model.holder(token) for token in tokens]
        lost = [token for token, job in zip(tokens, holders, strict=True) if not job]
        assert self.store.release(tokens) == lost
        for job in filter(None, holders):
            self.model.release(job)

    def heartbeat(self, numbers: list[int], ttl: float) -> None:
        tokens = list(dict.fromkeys(map(self.token, numbers)))
        holders = [self.model.holder(token) for token in tokens]
        lost = [token for token, job in zip(tokens, holders, strict=True) if not job]
        assert self.store.heartbeat(tokens, ttl) == lost
        over = self.let_it_pass(ttl)
        for job in filter(None, holders):
            job.lapsed = over

    def cancel(self, names: list[str]) -> None:
        live = {
            name for name in names if (job := self.model.jobs.get(name)) and job.state not in ENDED
        }
        assert self.store.cancel(names) == len(live)
        for name in live:
            job = self.model.jobs[name]
            self.model.end(job, QueueState.SKIPPED, "cancelled", job.result)

    def retry_failed(self, key: str | None, ids: list[str] | None) -> None:
        told = self.store.retry_failed(key=key, ids=ids)
        assert set(told) == self.model.retry_failed(key, ids)

    def forget(self, names: list[str]) -> None:
        assert set(self.store.forget(names)) == self.model.forget(names)

    def expire(self, names: list[str]) -> None:
        assert self.store.expire("nobody", names) == []
        assert set(self.store.expire("w", names)) == self.model.expire(names)

    def prune(self, states: set[QueueState]) -> None:
        time.sleep(MOMENT)
        assert self.store.prune(0, states) == self.model.prune(states)

    def limit(self, limits: Limits) -> None:
        self.store.set_limits(limits)
        self.model.limits, self.model.limited = limits, True

    def check_that_nothing_is_lost(self) -> None:
        """Each job is told as we know it, and all that is ready comes when there is no limit."""
        for name in "abcdefghij":
            self.model.check_job(name, self.store.job(name))
        self.limit(Limits())

        def drained() -> bool:
            self.lease(4, 3, TTL)
            return not self.model.ready()

        until(drained)
        for name in "abcdefghij":
            self.model.check_job(name, self.store.job(name))
        for job in self.model.of(HELD):
            self.store.ack(job.token, QueueState.DONE)


@pytest.mark.parametrize("sequences", [PLAIN, LIMITED], ids=["plain", "limited"])
def test_no_sequence_makes_a_store_differ_from_the_model(
    queue_place: Place, request: pytest.FixtureRequest, sequences: Any
) -> None:
    numbers = count()

    def empty() -> Place:
        if "redis" in request.node.callspec.id:
            redis: Redis = request.getfixturevalue("real_redis")
            redis.flushall()
            return queue_place
        return Place(str(Path(queue_place.target).with_name(f"{next(numbers)}.sqlite")))

    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(sequences)
    def holds(actions: list[tuple[Any, ...]]) -> None:
        with empty().open() as store:
            world = World(store)
            for action in actions:
                world.do(*action)
            world.check_that_nothing_is_lost()

    holds()
