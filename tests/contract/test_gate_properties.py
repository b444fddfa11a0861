"""No sequence of enter, leave, crash and time leaks a slot, exceeds a limit or makes two trials."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis, connect_async
from orchestrator.gate.gate import RedisGate
from orchestrator.gate.model import Limits, Outcome, Permit, Reason
from tests.support.blocking import Blocking

if TYPE_CHECKING:
    from tests.support.redis_server import RedisServer

KEYS = Keys()
RATE, BREAKER, SLOTS = (KEYS.gate("books", part) for part in ("rate", "breaker", "slots"))
LIMITS = Limits(rate_per_s=200, burst=2, slots=3, failures=2, open_s=600)

ENTER = st.tuples(st.just("enter"), st.sampled_from([0.0, 0.004, 10.0]))
LEAVE = st.tuples(st.just("leave"), st.integers(0, 9), st.sampled_from(Outcome))
CRASH = st.tuples(st.just("crash"), st.integers(0, 9))
TIME = st.just(("open time passes",))


@dataclass
class World:
    """The gate, and what must be true of it."""

    gate: Any
    client: Redis
    out: list[Permit] = field(default_factory=list)
    crashed: list[Permit] = field(default_factory=list)
    booked: list[int] = field(default_factory=list)

    def do(self, action: str, *details: Any) -> None:
        if action == "enter":
            self.enter(*details)
        elif action == "open time passes":
            if self.client.hexists(BREAKER, "until"):
                self.client.hset(BREAKER, "until", 1)
        elif action == "leave" and (self.out or self.crashed):
            number, outcome = details
            everybody = self.out + self.crashed
            permit = everybody[number % len(everybody)]
            self.gate.leave(permit, outcome)
            (self.out if permit in self.out else self.crashed).remove(permit)
        elif action == "crash" and self.out:
            permit = self.out.pop(details[0] % len(self.out))
            self.client.zadd(SLOTS, {f"{permit.token} h": 1}, xx=True)
            self.crashed.append(permit)

    def enter(self, max_wait: float) -> None:
        tripped = self.client.hexists(BREAKER, "until")
        trying = [permit for permit in self.out if permit.trial and permit.epoch == self.epoch()]
        answer = self.gate.try_enter("h", max_wait)
        if not isinstance(answer, Permit):
            full = len(self.out) == LIMITS.slots
            assert answer.reason is not Reason.SLOT or full
            assert answer.reason is not Reason.BREAKER or tripped
            return
        assert len(self.out) < LIMITS.slots
        assert answer.trial == tripped
        assert not (tripped and trying), "two trials"
        assert answer.wait_s <= max_wait
        ends = self.client.zscore(SLOTS, f"{answer.token} h")
        self.booked.append(int(ends) - 60_000_000)
        self.out.append(answer)

    def epoch(self) -> int:
        return int(str(self.client.hget(BREAKER, "epoch") or 0))

    def check_the_rate(self) -> None:
        """Between any two, at least what the rate demands less what the burst lets go at once."""
        for first, begin in enumerate(self.booked):
            for ahead, end in enumerate(self.booked[first:]):
                assert end - begin >= (ahead - LIMITS.burst + 1) * LIMITS.interval_us

    def check_that_all_slots_come_back(self) -> None:
        self.client.delete(BREAKER)
        for permit in [*self.out, *self.crashed]:
            self.gate.leave(permit, Outcome.NEUTRAL)
        again = [self.gate.try_enter("h", 10) for _ in range(LIMITS.slots + 1)]
        assert [isinstance(answer, Permit) for answer in again] == [True] * LIMITS.slots + [False]


def test_no_sequence_breaks_a_limit(real_redis: Redis, redis_server: RedisServer) -> None:
    loop = asyncio.new_event_loop()
    client = connect_async(redis_server.url)
    gate = Blocking(RedisGate(client, KEYS, "books", LIMITS), loop)

    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.lists(st.one_of(ENTER, ENTER, LEAVE, CRASH, TIME), min_size=10, max_size=40))
    def holds(actions: list[tuple[Any, ...]]) -> None:
        real_redis.flushall()
        world = World(gate, real_redis)
        for action in actions:
            world.do(*action)
        world.check_the_rate()
        world.check_that_all_slots_come_back()

    try:
        holds()
    finally:
        loop.run_until_complete(client.aclose())
        loop.close()
