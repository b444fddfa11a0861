"""No sequence of verbs, crashes and time leaks a slot, exceeds a limit or lets anybody jump the line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import (
    WAITER_US,
    Ask,
    BreakerState,
    Grant,
    Reason,
    Refused,
    Report,
    Verdict,
)
from tests.contract.gate.place import OK, SECOND, UNUSED, LocalHands, Place, RedisHands

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.core.redis import Redis
    from tests.support.redis_server import RedisServer

BASE = Limits(rate=200, burst=2, slots=3, failures=2, open_s=5, lease_s=9.77)
KINDS = {
    "three": BASE,
    "one": replace(BASE, slots=1, burst=1, adaptive=False),
    "unlimited": replace(BASE, slots=0, trials=2),
    "hosts": replace(BASE, host_rate=50, host_slots=1),
    "crowd": replace(BASE, slots=2, rate=1_000_000, failures=1000),
}


def one_of_all(*parts: Iterable[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    """One choice for a whole action: to draw each part costs more than to carry it out."""
    return st.sampled_from(list(product(*parts)))


ENTER = one_of_all(["enter"], "ab", [0.0, 0.02, 30.0], [True, True, False])
AGAIN = one_of_all(["again"], range(10))
LEAVE = one_of_all(["leave"], range(10), Verdict, [None, None, None, 2.0])
GONE = one_of_all(["crash", "quit", "renew", "give_up"], range(10))
TIME = one_of_all(["time"], [0.003, 0.05, 0.6, 4.1, 11.0, 400.0])
SEQUENCES = st.lists(
    st.one_of(ENTER, ENTER, ENTER, AGAIN, AGAIN, LEAVE, LEAVE, GONE, TIME), min_size=8, max_size=60
)


@dataclass
class Held:
    """What was granted; times of the store, with all that was let pass."""

    grant: Grant
    due: int
    ends: int
    quit: bool = False
    reported: Verdict | None = None


@dataclass
class World:
    """What must be true of a store, whatever it is made of.

    `since` and `until` bound what time it was in a store whose clock goes on by itself.
    """

    place: Place
    limits: Limits
    held: list[Held] = field(default_factory=list)
    #: Those that went away without a word, and may yet come back.
    crashed: list[Held] = field(default_factory=list)
    granted: list[Held] = field(default_factory=list)
    #: Who waits, when he last looked, and what had been let pass by then.
    line: dict[str, tuple[Ask, int, int]] = field(default_factory=dict)

    def do(self, action: str, *details: Any) -> None:
        getattr(self, action)(*details)

    def now(self) -> int:
        return self.place.hands.now()

    def enter(self, host: str, max_wait: float, queues: bool) -> None:
        ask = self.place.ask(host, max_wait_us=round(max_wait * SECOND), queues=queues)
        self.try_it(ask)

    def again(self, number: int) -> None:
        """Somebody in line looks."""
        if self.line:
            asks = sorted(self.line.values(), key=lambda entry: entry[0].since)
            self.try_it(asks[number % len(asks)][0])

    def try_it(self, ask: Ask) -> None:
        pure = isinstance(self.place.hands, LocalHands) and not ask.queues
        picture = self.place.hands.picture() if pure else None
        states, since = {self.state()}, self.now()
        answer = self.place.enter(self.limits, ask)
        until = self.now()
        states.add(self.state())
        if isinstance(answer, Refused):
            assert not pure or self.place.hands.picture() == picture, "a refusal wrote"
            self.check_refused(ask, answer, states, since)
        else:
            self.check_granted(answer, states, until)
        self.line.pop(ask.holder, None)
        if isinstance(answer, Refused) and answer.since:
            assert answer.since == (ask.since or answer.since), "a place in line was lost"
            shifted = self.place.hands.shifted()
            self.line[ask.holder] = ask._replace(since=answer.since), since, shifted

    def check_granted(self, grant: Grant, states: set[BreakerState], until: int) -> None:
        limits, due = self.limits, grant.due + self.place.hands.shifted()
        live = self.live(until)
        assert 0 <= grant.wait_us <= grant.ask.max_wait_us
        if limits.slots:
            assert len(live) < limits.slots, "more than there are slots"
        if limits.host_slots:
            of_host = [held for held in live if held.grant.ask.host == grant.ask.host]
            assert len(of_host) < limits.host_slots, "more than there are slots of a host"
        elif limits.slots:
            alive = [ask for ask, looked, _ in self.line.values() if looked + WAITER_US > until]
            assert limits.slots - len(live) > ahead(grant.ask, alive), "somebody was overtaken"
        assert (BreakerState.HALF_OPEN if grant.trial else BreakerState.CLOSED) in states
        if grant.trial:
            trials = [held for held in live if self.tries(held, grant.epoch)]
            assert len(trials) < limits.trials, "more trials than one"
        assert all(grant.fence > held.grant.fence for held in self.granted)
        self.granted.append(Held(grant, due, due + limits.lease_us))
        self.held.append(self.granted[-1])

    def check_refused(
        self, ask: Ask, refused: Refused, states: set[BreakerState], since: int
    ) -> None:
        limits = self.limits
        assert refused.wait_s > 0
        if refused.reason is Reason.BREAKER:
            assert states != {BreakerState.CLOSED}
        elif refused.reason is Reason.SLOT:
            if not limits.host_slots:
                free = limits.slots - len(self.live(since))
                passed = self.place.hands.waited
                alive = [ask for ask, *then in self.line.values() if passed(*then) < WAITER_US]
                assert free <= ahead(ask, alive), "a slot was free"
        elif not limits.host_rate:
            assert refused.wait_s * SECOND > ask.max_wait_us
        assert refused.since == 0 or (ask.queues and refused.reason is Reason.SLOT)

    def live(self, now: int) -> list[Held]:
        everybody = self.held + self.crashed
        return [
            held for held in everybody if held.ends > now and not held.quit and not held.reported
        ]

    def tries(self, held: Held, epoch: int) -> bool:
        return held.grant.trial and held.grant.epoch == epoch

    def state(self) -> BreakerState:
        return self.place.store.look("books").state

    def one(self, number: int, held: list[Held]) -> Held | None:
        return held[number % len(held)] if held else None

    def leave(self, number: int, verdict: Verdict, retry_after: float | None) -> None:
        """One that is out reports, or one that nobody believed alive.

        Where no slot says that somebody has left, a permit sees to it that nobody leaves twice.
        """
        held = self.one(number, self.held + self.crashed)
        if held and (held.grant.holds(self.limits) or not held.reported):
            report = Report(verdict, None, retry_after)
            posts = verdict is Verdict.OK and not held.grant.trial
            (self.place.store.post if posts else self.place.store.leave)(
                held.grant, report, self.limits
            )
            held.reported = held.reported or verdict
            if held in self.held:
                self.held.remove(held)
                self.crashed.append(held)

    def crash(self, number: int) -> None:
        held = self.one(number, self.held)
        if held:
            self.held.remove(held)
            self.crashed.append(held)

    def quit(self, number: int) -> None:
        """One whose answer was lost gives up."""
        held = self.one(number, self.held)
        if held:
            self.place.store.quit(held.grant.ask, self.limits)
            held.quit = True
            self.held.remove(held)
            self.crashed.append(held)

    def give_up(self, number: int) -> None:
        """One in line does."""
        if self.line:
            ask, _, _ = self.line.pop(sorted(self.line)[number % len(self.line)])
            self.place.store.quit(ask, self.limits)

    def renew(self, number: int) -> None:
        held = self.one(number, self.held + self.crashed)
        if held:
            since = self.now()
            lost = self.place.store.renew([held.grant], lambda _: self.limits)
            if not held.grant.holds(self.limits):
                assert lost == []
                return
            if held.ends > self.now() and not held.quit and not held.reported:
                assert lost == []
            elif held.ends <= since or held.quit or held.reported:
                assert lost == [held.grant]
            if not lost:
                held.ends = max(held.ends, self.now() + self.limits.lease_us)

    def time(self, seconds: float) -> None:
        self.place.pass_time(seconds)

    def check_the_rate(self) -> None:
        """Between any two, at least what the rate demands less what the burst lets go at once."""
        limits = self.limits
        used = [held for held in self.granted if held.reported is not UNUSED]
        self.check_spaces([held.due for held in used], limits.interval_us, limits.burst)
        for host in "ab" if limits.host_rate else "":
            dues = [held.due for held in used if held.grant.ask.host == host]
            self.check_spaces(dues, limits.host_interval_us, limits.host_burst)

    def check_spaces(self, dues: list[int], interval: int, burst: int) -> None:
        for first, begin in enumerate(dues):
            for ahead, end in enumerate(dues[first:]):
                assert end - begin >= (ahead - burst + 1) * interval, "faster than the rate"

    def check_that_all_slots_come_back(self) -> None:
        self.place.pass_time(2000)
        wide = replace(self.limits, host_slots=0, host_rate=0)
        if self.state() is BreakerState.HALF_OPEN:
            self.place.leave(self.place.granted(wide), wide, OK)
        for _ in range(wide.slots):
            self.place.granted(wide)
        if wide.slots:
            assert self.place.refused(wide).reason is Reason.SLOT


def ahead(ask: Ask, alive: list[Ask]) -> int:
    if ask.holder not in {other.holder for other in alive}:
        return len(alive)
    return sum((other.since, other.holder) < (ask.since, ask.holder) for other in alive)


@pytest.mark.parametrize("kind", KINDS)
def test_no_sequence_breaks_a_promise(
    place: Place, request: pytest.FixtureRequest, kind: str
) -> None:
    local = isinstance(place.hands, LocalHands)

    def empty() -> Place:
        if local:
            return Place(LocalHands())
        redis: Redis = request.getfixturevalue("real_redis")
        server: RedisServer = request.getfixturevalue("redis_server")
        redis.flushall()
        return Place(RedisHands(redis, server.url))

    @settings(
        max_examples=300 if local else 30,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(SEQUENCES)
    def holds(actions: list[tuple[Any, ...]]) -> None:
        world = World(empty(), KINDS[kind])
        try:
            for action in actions:
                world.do(*action)
            world.check_the_rate()
            world.check_that_all_slots_come_back()
        finally:
            if isinstance(world.place.hands, RedisHands):
                world.place.hands.close()

    holds()
