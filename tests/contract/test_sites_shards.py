"""Shard leases, over a real and a fake server."""

from __future__ import annotations

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.queue.redis import RedisQueue
from sites.crawl.beat import Beat, Word
from sites.crawl.work import new_page
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.shared.record import Records
from sites.shared.shards import Shards, beat_call

KEYS = Keys("t:")


@pytest.fixture
def shards(any_redis: Redis) -> Shards:
    return Shards(any_redis, KEYS)


@pytest.fixture
def job(any_redis: Redis) -> JobRef:
    return Records(any_redis, KEYS).create("books", "{}")[0]


def reserve(shards: Shards, job: JobRef, *, per_job: int = 2, budget: int = 7) -> str | None:
    return shards.reserve(job, [job], per_job=per_job, budget=budget)


def begin(shards: Shards, job: JobRef) -> str:
    reservation = reserve(shards, job)
    assert reservation
    holder = shards.begin(job, reservation)
    assert holder
    return holder


def test_a_reservation_becomes_a_lease_once(shards: Shards, job: JobRef) -> None:
    reservation = reserve(shards, job)
    assert reservation

    assert shards.begin(job, reservation)
    assert shards.begin(job, reservation) is None
    assert shards.live([job]) == [1]


def leased_page(any_redis: Redis, job: JobRef) -> RedisQueue:
    """A frontier whose only page somebody has for a minute."""
    frontier = RedisQueue(any_redis, KEYS.frontier(job.site, job.id))
    frontier.enqueue([new_page("http://example.org/")])
    assert frontier.lease(1, 60.0)
    assert not frontier.lease(1, 60.0)
    return frontier


def test_whoever_begins_alone_has_the_pages_of_dead_shards_at_once(
    shards: Shards, job: JobRef, any_redis: Redis
) -> None:
    dead = begin(shards, job)
    frontier = leased_page(any_redis, job)
    any_redis.zadd(KEYS.job(job.site, job.id, "shards"), {dead: 1})

    begin(shards, job)

    assert [page.attempt for page in frontier.lease(1, 60.0)] == [2]


def test_the_pages_of_a_shard_at_work_stay_its_own(
    shards: Shards, job: JobRef, any_redis: Redis
) -> None:
    begin(shards, job)
    frontier = leased_page(any_redis, job)

    begin(shards, job)

    assert not frontier.lease(1, 60.0)


def test_whoever_takes_the_place_of_a_dead_shard_frees_its_slots_at_the_gate(
    shards: Shards, job: JobRef, any_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_LAUNCH", "now")
    dead, host = "07/node/before/77", "example.org"
    any_redis.zadd(KEYS.job(job.site, job.id, "shards"), {dead: 1 << 50})
    slots = {f"a.1 node:77 {host}": 1 << 60, f"b.1 node:78 {host}": 1 << 60}
    places = [KEYS.gate(job.site, part) for part in ("slots", f"slots:{host}")]
    for place in places:
        any_redis.zadd(place, slots)

    assert shards.begin(job, "reserved:07", "node")

    assert [any_redis.zrange(place, 0, -1) for place in places] == [[f"b.1 node:78 {host}"]] * 2


def test_a_job_has_no_more_shards_than_it_may(shards: Shards, job: JobRef) -> None:
    assert reserve(shards, job)
    assert reserve(shards, job)
    assert reserve(shards, job) is None


def test_all_jobs_together_keep_to_the_budget(
    shards: Shards, job: JobRef, any_redis: Redis
) -> None:
    other = Records(any_redis, KEYS).create("quotes", "{}")[0]
    both = [job, other]

    assert shards.reserve(job, both, per_job=5, budget=2)
    assert shards.reserve(other, both, per_job=5, budget=2)
    assert shards.reserve(job, both, per_job=5, budget=2) is None
    assert shards.live(both) == [1, 1]


def test_a_place_that_is_given_back_is_free_at_once(shards: Shards, job: JobRef) -> None:
    holder = begin(shards, job)

    shards.end(job, holder)

    assert shards.live([job]) == [0]


def test_no_shard_begins_on_a_job_that_stops(shards: Shards, job: JobRef, any_redis: Redis) -> None:
    reservation = reserve(shards, job)
    assert reservation
    Records(any_redis, KEYS).move(job, JobState.STOPPING)

    assert shards.begin(job, reservation) is None
    assert shards.live([job]) == [0]


def test_a_beat_renews_and_learns(shards: Shards, job: JobRef, any_redis: Redis) -> None:
    holder = begin(shards, job)
    any_redis.set(KEYS.results_bytes(), 123)
    any_redis.set(KEYS.yield_wanted(), "refresh")

    beat = beat_call(KEYS, job, holder, Word(2.5, "waits for a proxy")).run(any_redis)

    assert beat == Beat(held=True, state=JobState.PENDING, live=1, backlog=123, wanted_by="refresh")
    assert any_redis.hgetall(KEYS.job(job.site, job.id, "pace")) == {holder: "2.500"}
    assert any_redis.get(KEYS.job(job.site, job.id, "health")) == "waits for a proxy"
    assert 0 < any_redis.pttl(KEYS.job(job.site, job.id, "health")) <= 3000
    assert any_redis.ttl(KEYS.job(job.site, job.id, "pace")) > 0


def test_a_lease_that_ran_out_is_not_revived(shards: Shards, job: JobRef, any_redis: Redis) -> None:
    holder = begin(shards, job)
    any_redis.zadd(KEYS.job(job.site, job.id, "shards"), {holder: 1})

    assert not beat_call(KEYS, job, holder, Word()).run(any_redis).held
    assert shards.live([job]) == [0]


def test_a_dead_shards_place_is_free_when_its_lease_ran_out(
    shards: Shards, job: JobRef, any_redis: Redis
) -> None:
    any_redis.zadd(KEYS.job(job.site, job.id, "shards"), {"dead": 1, "dead too": 2})

    assert reserve(shards, job, per_job=1)
