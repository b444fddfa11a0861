"""Redis's clock was set back by a day, over a real and a fake server."""

from __future__ import annotations

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.nodes.registry import Node, Nodes
from sites.definition.definition import Definition
from sites.job.ref import JobRef
from sites.shared.record import Records
from sites.shared.setback import LEAST_S, heal
from sites.shared.shards import Shards

KEYS = Keys("t:")
DAY_S = 86_400.0


#: A site whose hosts have a rate of their own.
SITE = Definition.model_validate(
    {
        "name": "books",
        "start_urls": ["http://a.example/"],
        "item": {"fields": {"title": "h1::text"}},
        "host_rate": "1/s",
    }
)


@pytest.fixture
def job(any_redis: Redis) -> JobRef:
    return Records(any_redis, KEYS).create("books", SITE.model_dump_json())[0]


def now_s(redis: Redis) -> float:
    seconds, micros = redis.time()
    return int(seconds) + int(micros) / 1e6


def looked(redis: Redis, *, ahead: float) -> None:
    """As if the last look had been on a clock that was `ahead` of today's."""
    redis.set(KEYS.clock(), round((now_s(redis) + ahead) * 1000))


def test_while_the_clock_goes_on_nothing_is_touched(any_redis: Redis, job: JobRef) -> None:
    Shards(any_redis, KEYS).reserve(job, [job], per_job=1, budget=1)
    shards = KEYS.job("books", job.id, "shards")
    before = any_redis.zrange(shards, 0, -1, withscores=True)

    assert heal(any_redis, KEYS, [job]) == 0
    assert heal(any_redis, KEYS, [job]) == 0
    looked(any_redis, ahead=LEAST_S - 5)  # so much is waited for
    assert heal(any_redis, KEYS, [job]) == 0

    assert any_redis.zrange(shards, 0, -1, withscores=True) == before


def test_what_was_to_come_soon_still_does(any_redis: Redis, job: JobRef) -> None:
    soon = now_s(any_redis) + DAY_S + 5  # in five seconds, on the clock of before
    queue, sets = KEYS.frontier("books", job.id), KEYS.job("books", job.id, "shards")
    in_ms, in_s = (queue.delayed, queue.leased, sets), KEYS.nodes()
    for key in in_ms:
        any_redis.zadd(key, {"a": soon * 1000})
    any_redis.zadd(in_s, {"a": soon})
    any_redis.set(KEYS.yield_wanted(), 1, px=round((DAY_S + 5) * 1000))
    looked(any_redis, ahead=DAY_S)

    assert heal(any_redis, KEYS, [job]) == pytest.approx(DAY_S, abs=1)

    near = pytest.approx(now_s(any_redis) + 5, abs=2)
    assert [any_redis.zscore(key, "a") / 1000 for key in in_ms] == [near] * 3
    assert any_redis.zscore(in_s, "a") == near
    assert 0 < any_redis.ttl(KEYS.yield_wanted()) <= 5
    assert heal(any_redis, KEYS, [job]) == 0


@pytest.mark.parametrize("host", ["", ":a.example", ":b.example:8080"])
def test_what_the_gate_had_booked_still_comes_soon(
    any_redis: Redis, job: JobRef, host: str
) -> None:
    del job
    soon = now_s(any_redis) + DAY_S + 5
    sets = [KEYS.gate("books", part + host) for part in ("slots", "line", "alive")]
    holder = "a1b2.0 node:1 b.example:8080"
    for key in (*sets, KEYS.gate("books", "slots"), KEYS.gate("books", "users")):
        any_redis.zadd(key, {holder: soon * 1e6})
    state = KEYS.gate("books", f"state{host}")
    points = ("due", "pause", "until", "cut_at", "raised_at", "closed_at")
    known = {point: round(soon * 1e6) for point in points}
    any_redis.hset(state, mapping={**known, "pace": 5_000_000, "epoch": 3})
    any_redis.expire(state, 1000)
    looked(any_redis, ahead=DAY_S)

    heal(any_redis, KEYS, [])

    near = pytest.approx(now_s(any_redis) + 5, abs=2)
    assert [any_redis.zscore(key, holder) / 1e6 for key in sets] == [near] * 3
    assert any_redis.zscore(KEYS.gate("books", "users"), holder) / 1e6 == near
    after = any_redis.hgetall(state)
    assert [int(after[point]) / 1e6 for point in points] == [near] * len(points)
    assert (after["pace"], after["epoch"]) == ("5000000", "3")
    assert any_redis.ttl(state) > 900
    assert heal(any_redis, KEYS, []) == 0


def test_a_gate_of_no_job_is_healed_too(any_redis: Redis) -> None:
    soon = now_s(any_redis) + DAY_S + 5
    any_redis.zadd(KEYS.gate_sites(), {"fetch:a.example": (soon + 3600) * 1000})
    any_redis.hset(KEYS.gate("fetch:a.example", "state"), "due", round(soon * 1e6))
    looked(any_redis, ahead=DAY_S)

    heal(any_redis, KEYS, [])

    due = any_redis.hget(KEYS.gate("fetch:a.example", "state"), "due")
    assert int(due) / 1e6 == pytest.approx(now_s(any_redis) + 5, abs=2)


def test_what_was_written_since_is_left_alone(any_redis: Redis, job: JobRef) -> None:
    looked(any_redis, ahead=DAY_S)
    Nodes(any_redis, KEYS).renew(Node("a", 2, 0))
    Shards(any_redis, KEYS).reserve(job, [job], per_job=1, budget=1)
    any_redis.set(KEYS.yield_wanted(), 1, px=2500)

    heal(any_redis, KEYS, [job])

    assert [node.name for node in Nodes(any_redis, KEYS).live()] == ["a"]
    assert Shards(any_redis, KEYS).live([job]) == [1]
    assert any_redis.pttl(KEYS.yield_wanted()) > 1000


def test_without_any_job_it_is_looked_at_all_the_same(any_redis: Redis) -> None:
    looked(any_redis, ahead=DAY_S)

    assert heal(any_redis, KEYS, []) == pytest.approx(DAY_S, abs=1)
