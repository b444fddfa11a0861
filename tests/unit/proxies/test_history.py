"""What the last refreshes found, over a real server and a fake one."""

from __future__ import annotations

import json

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from proxies.refresh.history import KEPT, History

KEYS = Keys("test:")


def end(redis: Redis, job_id: str, **summary: object) -> None:
    facts = {"status": "PARTIAL", "started_at": "100.5", "completed_at": "103.0"}
    for name, value in {**facts, "summary": json.dumps(summary)}.items():
        redis.set(KEYS.refresh(job_id, name), value)
    History(redis, KEYS).note(job_id)


def test_the_newest_comes_first_with_what_it_found(any_redis: Redis) -> None:
    end(any_redis, "one", candidates=7, live=3, usable=2, checked=7, kept=0)
    end(any_redis, "two", candidates=9, problems=["a chunk failed"], reasons={"dead": 4})

    two, one = History(any_redis, KEYS).rows()

    assert (two["job_id"], two["candidates"], two["live"]) == ("two", 9, 0)
    assert (two["problems"], two["reasons"]) == (["a chunk failed"], {"dead": 4})
    assert (one["status"], one["seconds"], one["completed_at"]) == ("PARTIAL", 2.5, 103.0)
    assert (one["live"], one["usable"]) == (3, 2)


def test_only_so_many_are_remembered_and_none_whose_record_is_gone(any_redis: Redis) -> None:
    for number in range(KEPT + 5):
        end(any_redis, str(number))
    any_redis.delete(KEYS.refresh(str(KEPT), "status"))

    found = [row["job_id"] for row in History(any_redis, KEYS).rows()]

    assert found == [str(number) for number in range(KEPT + 4, 4, -1) if number != KEPT]
    assert any_redis.ttl(KEYS.refresh_ended()) > 0


def test_there_may_have_been_none(any_redis: Redis) -> None:
    assert History(any_redis, KEYS).rows() == []
