"""A gate whose Redis has lost what it knew goes on, at the rate."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.core.clock import SYSTEM
from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import Ask, Grant
from orchestrator.gate.shared import RedisStore
from tests.support.redis_server import RedisServer

KEYS = Keys()
LIMITS = Limits(rate=10, slots=0, adaptive=False)
HOST = "books.example"
#: A turn is booked so far ahead at most, as the crawl does, in µs.
AHEAD_US = 500_000


@pytest.fixture
def store(redis_server: RedisServer, real_redis: Redis, patient: None) -> Iterator[RedisStore]:
    del real_redis, patient  # the server is empty, and what is slow is not away
    made = RedisStore(redis_server.url, KEYS, "test")
    yield made
    made.close()


def book(store: RedisStore) -> Grant | None:
    """Book a turn, if there is one soon enough."""
    answer = store.enter(Ask("books", HOST, store.holder(HOST), AHEAD_US), LIMITS)
    return answer if isinstance(answer, Grant) else None


def test_who_had_booked_ahead_waits_for_that_and_no_longer(
    store: RedisStore, real_redis: Redis
) -> None:
    booked = []
    asked = (
        SYSTEM.monotonic()
    )  # before: whoever looks after the answer may be late, and seem to be due later
    while grant := book(store):
        booked.append(asked + grant.wait_us / 1e6)
        asked = SYSTEM.monotonic()
    assert len(booked) >= 5
    real_redis.delete(KEYS.gate("books", "state"))

    began = SYSTEM.monotonic()
    while (again := book(store)) is None:
        assert SYSTEM.monotonic() - began < 15, "it waits for what it booked, again and again"
        SYSTEM.sleep(0.01)

    goes = SYSTEM.monotonic() + again.wait_us / 1e6
    assert goes >= booked[-1] + 1 / LIMITS.rate - 0.001


def test_what_was_booked_long_ago_holds_nobody_up(store: RedisStore, real_redis: Redis) -> None:
    first = book(store)
    assert first
    SYSTEM.sleep(0.15)  # its interval is over
    real_redis.delete(KEYS.gate("books", "state"))

    grant = book(store)

    assert grant
    assert grant.wait_us == 0
