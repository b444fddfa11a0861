"""Records of jobs, over a real and a fake server."""

from __future__ import annotations

import threading

import pytest

from orchestrator.core.keys import RETENTION_S, Keys
from orchestrator.core.redis import Redis, connect
from sites.job.job import new_job_id
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.shared.record import Records


@pytest.fixture
def records(any_redis: Redis) -> Records:
    return Records(any_redis, Keys("t:"))


def test_a_new_job_is_pending_and_current(records: Records) -> None:
    ref, new = records.create("books", "{}")

    job = records.read(ref)
    assert new
    assert job
    assert (job.state, job.definition, job.seeded, job.started_at) == ("pending", "{}", False, None)
    assert records.current("books") == ref
    assert records.active() == [ref]


def test_a_second_start_of_an_active_job_returns_it(records: Records) -> None:
    first, _ = records.create("books", "{}")

    assert records.create("books", "{...}") == (first, False)


def test_after_the_end_a_start_makes_another_job(records: Records) -> None:
    first, _ = records.create("books", "{}")
    records.move(first, JobState.DONE)

    second, new = records.create("books", "{}")

    assert new
    assert second != first
    assert second.id > first.id
    assert records.current("books") == second


def test_a_job_that_cannot_be_resumed_any_more_is_retired(records: Records) -> None:
    first, _ = records.create("books", "{}")
    records.move(first, JobState.STOPPED)
    assert records.ended() == []

    records.create("books", "{}")

    assert records.ended() == [first]


def test_only_legal_moves_are_made(records: Records) -> None:
    ref, _ = records.create("books", "{}")

    assert records.move(ref, JobState.RUNNING)
    assert not records.move(ref, JobState.PENDING)
    assert not records.move(ref, JobState.RUNNING)
    assert records.move(ref, JobState.STOPPING, reason="asked")
    assert not records.move(ref, JobState.RUNNING)
    assert records.move(ref, JobState.STOPPED)
    job = records.read(ref)
    assert job
    assert job.state == "stopped"
    assert job.started_at
    assert job.finished_at
    assert records.active() == []


def test_a_resumed_job_keeps_when_it_began_and_forgets_when_it_ended(records: Records) -> None:
    ref, _ = records.create("books", "{}")
    records.move(ref, JobState.RUNNING)
    began = records.read(ref)
    records.move(ref, JobState.STOPPED)

    assert records.move(ref, JobState.PENDING)
    assert records.move(ref, JobState.RUNNING)

    job = records.read(ref)
    assert began
    assert job
    assert job.started_at == began.started_at
    assert job.finished_at is None
    assert records.active() == [ref]


def test_a_job_that_nobody_knows_does_not_move(records: Records) -> None:
    assert not records.move(JobRef("books", "0" * 12), JobState.RUNNING)
    assert records.active() == []


def test_an_idle_move_waits_for_live_shards_but_not_for_reservations(
    records: Records, any_redis: Redis
) -> None:
    ref, _ = records.create("books", "{}")
    shards = Keys("t:").job(ref.site, ref.id, "shards")
    now_ms = any_redis.time()[0] * 1000
    any_redis.zadd(shards, {"reserved:a": now_ms + 60_000, "live": now_ms + 60_000, "dead": 1})
    records.move(ref, JobState.STOPPING)

    assert not records.move(ref, JobState.STOPPED, idle=True)
    any_redis.zrem(shards, "live")
    assert records.move(ref, JobState.STOPPED, idle=True)


def test_the_end_remembers_what_must_be_drained(records: Records, any_redis: Redis) -> None:
    ref, _ = records.create("books", "{}")
    any_redis.xadd(Keys("t:").results(), {"body": "{}"})

    records.move(ref, JobState.DONE)

    job = records.read(ref)
    ((entry, fields),) = any_redis.xrevrange(Keys("t:").results(), count=1)
    assert job
    assert job.last_result == entry
    assert (fields["site"], fields["job"], fields["run"]) == ("books", ref.id, "done")
    assert float(fields["at"]) == job.finished_at
    assert records.ended() == [ref]


def test_a_job_with_pages_left_never_ends(records: Records, any_redis: Redis) -> None:
    ref, _ = records.create("books", "{}")
    pages = Keys("t:").frontier("books", ref.id)
    for key in (pages.ready, pages.delayed, pages.leased):
        any_redis.zadd(key, {"a": 1})
        assert not records.move(ref, JobState.DONE)
        any_redis.delete(key)

    assert records.move(ref, JobState.DONE)


def test_keys_that_hold_work_have_no_ttl(records: Records, any_redis: Redis) -> None:
    records.create("books", "{}")

    assert {any_redis.ttl(key) for key in any_redis.keys("t:*")} == {-1}
    assert RETENTION_S > 0


def test_many_starts_at_once_make_one_job(redis_server: object, real_redis: Redis) -> None:
    made: list[tuple[JobRef, bool]] = []
    gate = threading.Barrier(8)

    def start() -> None:
        client = connect(redis_server.url)  # type: ignore[attr-defined]
        gate.wait()
        made.append(Records(client, Keys("t:")).create("books", "{}"))
        client.close()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({ref for ref, _ in made}) == 1
    assert sum(new for _, new in made) == 1
    assert Records(real_redis, Keys("t:")).active() == [made[0][0]]


class _Clock:
    def __init__(self, wall: float) -> None:
        self._wall = wall

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


def test_job_ids_are_12_hex_digits_in_order_of_time() -> None:
    early, late = new_job_id("", _Clock(1_700_000_000.0)), new_job_id("", _Clock(1_700_000_000.001))

    assert early < late
    assert [len(early), len(late)] == [12, 12]
    assert int(early, 16)


def test_a_clock_that_is_set_back_does_not_make_an_older_job_of_a_newer_one() -> None:
    first = new_job_id("", _Clock(1_700_000_000.0))

    assert new_job_id(first, _Clock(1_600_000_000.0)) > first
    assert len({new_job_id(first, _Clock(1_600_000_000.0))}) == 1
