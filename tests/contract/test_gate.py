"""The gate's contract, over a real server and fakeredis."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import fakeredis
import pytest

from orchestrator.core.clock import Deadline
from orchestrator.core.errors import BreakerOpen, NoSlot, RateLimited
from orchestrator.core.keys import GATE_TTL_S, Keys
from orchestrator.core.redis import AsyncRedis, Redis, connect_async
from orchestrator.gate.gate import RedisGate
from orchestrator.gate.model import Limits, Outcome, Permit, Reason, Refused
from orchestrator.gate.state import read_state
from tests.support.blocking import Blocking

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = Keys()
RATE, BREAKER, SLOTS, WINDOW = (
    KEYS.gate("books", part) for part in ("rate", "breaker", "slots", "window")
)
HOST = "books.example"
#: So fast that the rate plays no part.
QUICK = Limits(rate_per_s=1_000_000, slots=100, failures=5, open_s=10, open_cap_s=30)
#: So slow that nothing becomes due while a test runs.
SLOW = Limits(rate_per_s=0.1)


@dataclass
class Setup:
    """Gates over one server, and a look behind them."""

    loop: asyncio.AbstractEventLoop
    client: Redis
    asynchronous: AsyncRedis

    def gate(self, limits: Limits, site: str = "books") -> Any:
        return Blocking(RedisGate(self.asynchronous, KEYS, site, limits), self.loop)

    def everything(self) -> dict[str, Any]:
        """All that is stored, times to live included."""
        read = {
            "string": self.client.get,
            "hash": self.client.hgetall,
            "zset": lambda key: self.client.zrange(key, 0, -1, withscores=True),
        }
        return {
            key: (read[self.client.type(key)](key), self.client.pexpiretime(key))
            for key in map(str, self.client.keys())
        }

    def let_lease_run_out(self, permit: Permit) -> None:
        changed = self.client.zadd(SLOTS, {f"{permit.token} {permit.host}": 1}, xx=True, ch=True)
        assert changed == 1

    def let_open_time_pass(self) -> None:
        assert self.client.hexists(BREAKER, "until")
        self.client.hset(BREAKER, "until", 1)

    def state(self) -> Any:
        return read_state(self.client, KEYS, "books")


@pytest.fixture(params=["real", "fake"])
def setup(request: pytest.FixtureRequest) -> Iterator[Setup]:
    loop = asyncio.new_event_loop()
    if request.param == "real":
        client: Redis = request.getfixturevalue("real_redis")
        asynchronous = connect_async(request.getfixturevalue("redis_server").url)
    else:
        server = fakeredis.FakeServer()
        client = fakeredis.FakeRedis(server=server, decode_responses=True)
        asynchronous = fakeredis.FakeAsyncRedis(server=server, decode_responses=True)
    yield Setup(loop, client, asynchronous)
    loop.run_until_complete(asynchronous.aclose())
    loop.close()


def report(gate: Any, *outcomes: Outcome) -> None:
    for outcome in outcomes:
        permit = gate.try_enter(HOST, 1)
        assert isinstance(permit, Permit)
        gate.leave(permit, outcome)


def trip(gate: Any) -> None:
    report(gate, *[Outcome.FAILURE] * gate.limits.failures)


# Rate


def test_requests_are_spaced_evenly_by_booking_ahead(setup: Setup) -> None:
    gate = setup.gate(SLOW)
    waits = [gate.try_enter(HOST, 60).wait_s for _ in range(4)]
    assert waits == pytest.approx([0, 10, 20, 30], abs=0.9)
    assert waits == sorted(waits)


def test_a_wait_that_is_too_long_is_refused_and_said(setup: Setup) -> None:
    gate = setup.gate(SLOW)
    gate.try_enter(HOST)
    refused = gate.try_enter(HOST, 9)
    assert refused == Refused(Reason.RATE, pytest.approx(10, abs=0.9))
    assert isinstance(gate.try_enter(HOST, 11), Permit)


def test_a_burst_goes_at_once_and_then_evenly(setup: Setup) -> None:
    gate = setup.gate(replace(SLOW, burst=3))
    waits = [gate.try_enter(HOST, 60).wait_s for _ in range(5)]
    assert waits == pytest.approx([0, 0, 0, 10, 20], abs=0.9)


def test_a_rate_that_changes_holds_from_the_next_request_on(setup: Setup) -> None:
    gate = setup.gate(SLOW)
    gate.try_enter(HOST)
    faster = setup.gate(replace(SLOW, rate_per_s=1))
    waits = [faster.try_enter(HOST, 60).wait_s for _ in range(3)]
    assert waits == pytest.approx([10, 11, 12], abs=0.9)


def test_retry_after_keeps_everybody_out_in_full(setup: Setup) -> None:
    gate = setup.gate(replace(QUICK, burst=50))
    gate.leave(gate.try_enter(HOST), Outcome.NEUTRAL, retry_after=120)
    gate.leave(gate.try_enter(HOST, 200), Outcome.NEUTRAL, retry_after=5)
    refused = setup.gate(replace(QUICK, burst=50)).try_enter(HOST, 60)
    assert refused == Refused(Reason.RATE, pytest.approx(120, abs=0.9))


def test_retry_after_is_longer_than_any_burst(setup: Setup) -> None:
    gate = setup.gate(replace(SLOW, burst=5))
    gate.leave(gate.try_enter(HOST), Outcome.NEUTRAL, retry_after=20)
    assert gate.try_enter(HOST) == Refused(Reason.RATE, pytest.approx(20, abs=0.9))


def test_sites_do_not_share_a_gate(setup: Setup) -> None:
    setup.gate(SLOW).try_enter(HOST)
    assert setup.gate(SLOW, "quotes").try_enter(HOST).wait_s == 0


# Slots


def test_no_more_permits_are_out_than_there_are_slots(setup: Setup) -> None:
    gate = setup.gate(replace(QUICK, slots=2))
    first, second = gate.try_enter(HOST, 1), gate.try_enter("other.example", 1)
    refused = gate.try_enter(HOST, 1)
    assert refused.reason is Reason.SLOT
    assert 0 < refused.wait_s <= 0.05
    gate.leave(first, Outcome.OK)
    third = gate.try_enter(HOST, 1)
    assert len({first.token, second.token, third.token}) == 3


def test_the_slot_of_a_dead_holder_comes_back_by_itself(setup: Setup) -> None:
    gate = setup.gate(replace(QUICK, slots=1))
    dead = gate.try_enter(HOST, 1)
    assert isinstance(gate.try_enter(HOST, 1), Refused)
    setup.let_lease_run_out(dead)
    next_one = gate.try_enter(HOST, 1)
    assert setup.client.zcard(SLOTS) == 1, "what the dead one held is swept away"
    gate.leave(dead, Outcome.OK)  # it was only slow: its token frees nobody else's slot
    assert isinstance(next_one, Permit)
    assert isinstance(gate.try_enter(HOST, 1), Refused)


def test_a_slot_that_is_renewed_outlasts_its_lease_and_a_lost_one_is_not_revived(
    setup: Setup,
) -> None:
    gate = setup.gate(replace(QUICK, slots=2, lease_s=10))
    kept, lost = gate.try_enter(HOST), gate.try_enter(HOST)
    setup.let_lease_run_out(lost)
    ends = setup.client.zscore(SLOTS, f"{kept.token} {kept.host}")

    gate.renew()

    assert setup.client.zscore(SLOTS, f"{kept.token} {kept.host}") > ends
    assert setup.client.zscore(SLOTS, f"{lost.token} {lost.host}") == 1
    gate.leave(kept, Outcome.OK)
    gate.renew()
    assert not setup.client.zscore(SLOTS, f"{kept.token} {kept.host}")


def test_a_lease_begins_when_the_request_is_due(setup: Setup) -> None:
    gate = setup.gate(replace(SLOW, lease_s=60))
    gate.try_enter(HOST)
    gate.try_enter(HOST, 60)
    (_, first), (_, second) = setup.client.zrange(SLOTS, 0, -1, withscores=True)
    assert second - first == pytest.approx(10_000_000, abs=2)


# Breaker


def test_the_breaker_opens_after_enough_failures_and_says_for_how_long(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    report(gate, *[Outcome.FAILURE] * 4)
    assert setup.state()["breaker"] == "closed"
    report(gate, Outcome.FAILURE)
    assert setup.state()["breaker"] == "open"
    assert gate.try_enter(HOST, 60) == Refused(Reason.BREAKER, pytest.approx(10, abs=0.9))


def test_failures_that_are_the_smaller_part_do_not_open_it(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    report(gate, *[Outcome.OK] * 6, *[Outcome.FAILURE] * 5)
    assert setup.state()["breaker"] == "closed"
    report(gate, Outcome.FAILURE)
    assert setup.state()["breaker"] == "open"


def test_what_says_nothing_about_the_site_does_not_count(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    report(gate, *[Outcome.NEUTRAL] * 20, *[Outcome.FAILURE] * 4)
    assert setup.state()["breaker"] == "closed"
    assert setup.state()["slots_held"] == 0


def test_failures_before_the_window_are_forgotten(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    report(gate, *[Outcome.FAILURE] * 4)
    for field, entry in setup.client.hgetall(WINDOW).items():
        tenth, counts = entry.split(" ", 1)
        before = int(tenth) - 13
        setup.client.hdel(WINDOW, field)
        setup.client.hset(WINDOW, str(before % 10), f"{before} {counts}")
    report(gate, *[Outcome.FAILURE] * 4)
    assert setup.state()["breaker"] == "closed"
    report(gate, Outcome.FAILURE)
    assert setup.state()["breaker"] == "open"


def test_half_open_lets_one_trial_through_and_a_success_closes_it(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    trip(gate)
    setup.let_open_time_pass()
    assert setup.state()["breaker"] == "half-open"
    trial = gate.try_enter(HOST, 1)
    assert trial.trial
    assert [gate.try_enter(HOST, 60).reason for _ in range(3)] == [Reason.BREAKER] * 3
    gate.leave(trial, Outcome.OK)
    assert setup.state()["breaker"] == "closed"
    permits = [gate.try_enter(HOST, 1) for _ in range(3)]
    assert not any(permit.trial for permit in permits)


def test_each_failed_trial_doubles_the_open_time_up_to_the_cap(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    trip(gate)
    waits = []
    for _ in range(4):
        setup.let_open_time_pass()
        gate.leave(gate.try_enter(HOST, 1), Outcome.FAILURE)
        waits.append(gate.try_enter(HOST, 1).wait_s)
    assert waits == pytest.approx([20, 30, 30, 30], abs=0.9)


def test_a_breaker_that_closed_a_moment_ago_opens_for_longer(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    for expected in (10, 20):
        trip(gate)
        assert gate.try_enter(HOST).wait_s == pytest.approx(expected, abs=0.9)
        setup.let_open_time_pass()
        report(gate, Outcome.OK)
    setup.client.hset(BREAKER, "closed_at", 1)  # long ago
    trip(gate)
    assert gate.try_enter(HOST).wait_s == pytest.approx(10, abs=0.9)


def test_a_trial_that_says_nothing_lets_the_next_one_try(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    trip(gate)
    setup.let_open_time_pass()
    gate.leave(gate.try_enter(HOST, 1), Outcome.NEUTRAL)
    assert setup.state()["breaker"] == "half-open"
    assert gate.try_enter(HOST, 1).trial


@pytest.mark.parametrize("late", [Outcome.OK, Outcome.FAILURE])
def test_the_trial_of_a_dead_holder_frees_itself_and_its_late_report_is_ignored(
    setup: Setup, late: Outcome
) -> None:
    gate = setup.gate(QUICK)
    trip(gate)
    setup.let_open_time_pass()
    dead = gate.try_enter(HOST, 1)
    setup.let_lease_run_out(dead)
    trial = gate.try_enter(HOST, 1)
    assert trial.trial
    gate.leave(dead, late)
    assert setup.state()["breaker"] == "half-open"
    assert isinstance(gate.try_enter(HOST, 1), Refused)
    gate.leave(trial, Outcome.OK)
    assert setup.state()["breaker"] == "closed"


def test_reports_from_before_it_opened_do_not_decide_what_comes_after(setup: Setup) -> None:
    gate = setup.gate(QUICK)
    old = [gate.try_enter(HOST, 1) for _ in range(10)]
    trip(gate)
    gate.leave(old.pop(), Outcome.FAILURE)
    assert gate.try_enter(HOST).wait_s == pytest.approx(10, abs=0.9)
    setup.let_open_time_pass()
    gate.leave(old.pop(), Outcome.OK)
    assert setup.state()["breaker"] == "half-open"
    report(gate, Outcome.OK)
    for permit in old:
        gate.leave(permit, Outcome.FAILURE)
    assert setup.state()["breaker"] == "closed"


# All three


def test_a_refusal_writes_nothing(setup: Setup) -> None:
    slow, narrow = setup.gate(SLOW), setup.gate(replace(QUICK, slots=1))
    slow.try_enter(HOST)
    before = setup.everything()
    assert slow.try_enter(HOST).reason is Reason.RATE
    assert narrow.try_enter(HOST, 60).reason is Reason.SLOT
    assert setup.everything() == before

    setup.client.delete(RATE, SLOTS)
    trip(setup.gate(QUICK))
    before = setup.everything()
    assert slow.try_enter(HOST, 60).reason is Reason.BREAKER
    assert setup.everything() == before


def test_a_slot_that_is_refused_does_not_cost_a_place_in_the_rate(setup: Setup) -> None:
    gate = setup.gate(replace(SLOW, slots=1))
    first = gate.try_enter(HOST)
    for _ in range(5):
        assert gate.try_enter(HOST, 60).reason is Reason.SLOT
    gate.leave(first, Outcome.OK)
    assert gate.try_enter(HOST, 60).wait_s == pytest.approx(10, abs=0.9)


def test_every_key_expires_and_not_before_what_it_says_is_over(setup: Setup) -> None:
    gate = setup.gate(replace(QUICK, open_s=2 * GATE_TTL_S, open_cap_s=2 * GATE_TTL_S))
    report(gate, Outcome.OK)
    gate.try_enter(HOST, 1)
    left = {key: setup.client.ttl(key) for key in (RATE, SLOTS, WINDOW)}
    assert all(ttl == pytest.approx(GATE_TTL_S, abs=70) for ttl in left.values()), left
    trip(gate)
    assert setup.client.ttl(BREAKER) == pytest.approx(3 * GATE_TTL_S, abs=2)
    setup.gate(Limits(rate_per_s=1 / (2 * GATE_TTL_S)), "slow").try_enter(HOST)
    assert setup.client.ttl(KEYS.gate("slow", "rate")) == pytest.approx(3 * GATE_TTL_S, abs=2)
    other = setup.gate(QUICK, "quotes")
    other.leave(other.try_enter(HOST), Outcome.NEUTRAL, retry_after=3 * GATE_TTL_S)
    assert setup.client.ttl(KEYS.gate("quotes", "rate")) == pytest.approx(4 * GATE_TTL_S, abs=2)


def test_a_server_that_lost_its_scripts_is_told_them_again(setup: Setup) -> None:
    gate = setup.gate(SLOW)
    permit = gate.try_enter(HOST)
    setup.client.script_flush()
    assert isinstance(gate.try_enter(HOST), Refused)
    setup.client.script_flush()
    gate.leave(permit, Outcome.OK)
    assert setup.state()["slots_held"] == 0


def test_enter_sleeps_until_its_time(setup: Setup) -> None:
    gate = setup.gate(Limits(rate_per_s=20))
    gate.enter(HOST, Deadline.after(5))
    start = setup.loop.time()
    gate.enter(HOST, Deadline.after(5))
    assert 0.04 < setup.loop.time() - start < 2


def test_enter_refuses_at_once_when_the_deadline_would_pass(setup: Setup) -> None:
    gate = setup.gate(SLOW)
    gate.try_enter(HOST)
    with pytest.raises(RateLimited) as rate:
        gate.enter(HOST, Deadline.after(5))
    assert rate.value.wait == pytest.approx(10, abs=0.9)
    setup.client.flushall()
    gate = setup.gate(QUICK)
    trip(gate)
    with pytest.raises(BreakerOpen) as breaker:
        gate.enter(HOST, Deadline.after(5))
    assert breaker.value.wait == pytest.approx(10, abs=0.9)


def test_enter_waits_for_a_slot_until_its_deadline(setup: Setup) -> None:
    gate = setup.gate(replace(QUICK, slots=1))
    held = gate.try_enter(HOST)
    with pytest.raises(NoSlot):
        gate.enter(HOST, Deadline.after(0.12))

    async def free_it_meanwhile() -> Permit:
        waiting = asyncio.ensure_future(gate._inner.enter(HOST, Deadline.after(5)))
        await asyncio.sleep(0)
        await gate._inner.leave(held, Outcome.OK)
        return await waiting

    assert isinstance(setup.loop.run_until_complete(free_it_meanwhile()), Permit)


@pytest.mark.parametrize("turns", [1, 2, 3, 50])
def test_whoever_is_cancelled_while_it_waits_holds_no_slot(setup: Setup, turns: int) -> None:
    gate = setup.gate(SLOW)
    gate.leave(gate.try_enter(HOST), Outcome.OK)

    async def cancel_after_some_turns_of_the_loop() -> None:
        waiting = asyncio.ensure_future(gate._inner.enter(HOST, Deadline.after(60)))
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    setup.loop.run_until_complete(cancel_after_some_turns_of_the_loop())
    assert setup.state()["slots_held"] == 0


def test_the_state_for_people_says_who_holds_what(setup: Setup) -> None:
    assert setup.state() == {
        "breaker": "closed",
        "retry_in_s": 0,
        "trips": 0,
        "next_in_s": 0,
        "slots_held": 0,
        "hosts": [],
    }
    gate = setup.gate(SLOW)
    gate.try_enter(HOST)
    gate.try_enter("cdn.example", 60)
    state = setup.state()
    assert (state["slots_held"], state["hosts"]) == (2, [HOST, "cdn.example"])
    assert state["next_in_s"] == pytest.approx(20, abs=0.9)
