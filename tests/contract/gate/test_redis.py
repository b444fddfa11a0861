"""What only the store in Redis promises: its keys, and what happens when the server loses something."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrator.core.keys import GATE_TTL_S
from orchestrator.core.redis import Redis
from tests.contract.gate.place import KEYS, LIMITED, OK, QUICK, SLOW, Place, RedisHands
from tests.support.redis_server import RedisServer

#: The server is told only so often that what is in use lives on.
TOLD_EVERY_S = 30


@pytest.fixture
def place(real_redis: Redis, redis_server: RedisServer) -> Iterator[Place]:
    hands = RedisHands(real_redis, redis_server.url)
    yield Place(hands)
    hands.close()


def ttls(redis: Redis) -> dict[str, int]:
    return {str(key): redis.ttl(key) for key in redis.keys("*")}


def test_every_key_expires(place: Place, real_redis: Redis) -> None:
    limits = replace(QUICK, slots=2, host_slots=1, host_rate=1, failures=2)
    held = place.granted(limits, host="a")
    place.in_line(limits, host="a")
    place.granted(limits, host="b")
    place.in_line(limits, host="c")
    place.store.beat(["books", "quotes"])
    place.store.pause("quotes", 1)
    place.leave(held, limits, LIMITED, latency=0.1, retry_after=1)
    place.tripped(replace(QUICK, failures=2))
    found = ttls(real_redis)
    parts = {key.removeprefix(KEYS.gate("books", "")) for key in found}
    assert {"state", "slots", "line", "alive", "users", "state:a", "slots:b", "line:a"} <= parts
    assert all(0 < ttl <= GATE_TTL_S + TOLD_EVERY_S + 70 for ttl in found.values()), found


@pytest.mark.parametrize("by", ["pause", "breaker", "turn", "host"])
def test_no_key_expires_before_what_it_says_is_over(
    place: Place, real_redis: Redis, by: str
) -> None:
    long = 3 * GATE_TTL_S
    if by == "pause":
        place.leave(place.granted(QUICK), QUICK, OK, retry_after=long)
    elif by == "breaker":
        place.tripped(replace(QUICK, open_s=2 * long, open_cap_s=long))
    elif by == "turn":
        place.granted(replace(SLOW, rate=1 / long))
    else:
        place.granted(replace(QUICK, host_rate=1 / long))
    part = "state:h" if by == "host" else "state"
    left = real_redis.ttl(KEYS.gate("books", part))
    # How long a breaker stays open is by chance.
    over = place.store.look("books").rest_s if by == "breaker" else long
    told = 0 if by == "host" else TOLD_EVERY_S
    assert left == pytest.approx(over + GATE_TTL_S + told, abs=14)
    place.granted(QUICK, site="other")
    if by != "host":
        place.enter(SLOW, max_wait_us=10**12)
        assert real_redis.ttl(KEYS.gate("books", part)) >= left - 60


def test_a_set_that_was_empty_expires_no_earlier_than_the_state(
    place: Place, real_redis: Redis
) -> None:
    """Else leases that live would be gone with it while the state is thought to keep it."""
    limits = replace(QUICK, slots=2)
    place.leave(place.granted(limits), limits, OK, retry_after=3 * GATE_TTL_S)
    place.store.pause("books", 0)
    place.pass_time(3 * GATE_TTL_S)
    for _ in range(2):
        held = place.granted(limits)
        state, slots = (
            real_redis.pexpiretime(KEYS.gate("books", part)) for part in ("state", "slots")
        )
        assert slots == pytest.approx(state, abs=100)
        place.leave(held, limits)
        assert not real_redis.exists(KEYS.gate("books", "slots"))


def test_a_lease_far_ahead_is_kept_as_long(place: Place, real_redis: Redis) -> None:
    limits = replace(SLOW, rate=1 / GATE_TTL_S)
    place.granted(limits, max_wait_us=10**12)
    place.granted(limits, max_wait_us=10**12)
    assert real_redis.ttl(KEYS.gate("books", "slots")) >= 2 * GATE_TTL_S


def test_a_server_that_lost_its_scripts_is_told_them_again(place: Place, real_redis: Redis) -> None:
    limits = replace(QUICK, slots=1)
    held = place.granted(limits)
    for _ in range(2):
        real_redis.script_flush()
        place.refused(limits)
    real_redis.script_flush()
    assert place.store.renew([held], lambda _: limits) == []
    real_redis.script_flush()
    place.leave(held, limits)
    place.granted(limits)


def test_a_server_that_lost_what_was_booked_books_behind_it(place: Place) -> None:
    booked = [place.granted(SLOW).due for _ in range(4)]
    place.hands.forget_all()
    assert place.granted(SLOW).due >= booked[-1] + SLOW.interval_us
    assert place.granted(SLOW).due >= booked[-1] + 2 * SLOW.interval_us


def test_what_expired_is_not_taken_for_lost(place: Place) -> None:
    for _ in range(3):
        place.granted(SLOW)
    place.pass_time(2 * GATE_TTL_S)
    place.hands.forget_all()
    assert place.granted(SLOW).wait_us == 0


def test_what_is_sent_again_books_once(place: Place, real_redis: Redis) -> None:
    """A connection that breaks loses the answer, and the store sends the same once more."""
    ask = place.ask()
    limits = replace(QUICK, slots=1)
    place.granted(limits, ask)
    place.leave(place.granted(limits, ask), limits)
    assert real_redis.zcard(KEYS.gate("books", "slots")) == 0
    place.granted(limits)
