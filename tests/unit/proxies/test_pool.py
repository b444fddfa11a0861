"""The pool in Redis, over a real server and a fake one."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import stat
from pathlib import Path

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from proxies.model import Anonymity, Proxy, Verdict, parse
from proxies.pool import EVICTED_AT, Pool
from proxies.snapshot import Snapshot

KEYS = Keys("test:")


@pytest.fixture
def pool(any_redis: Redis) -> Pool:
    return Pool(any_redis, KEYS)


def verdict(pool: Pool, text: str, *, age: float = 0.0, **changes: object) -> Verdict:
    now = pool.redis.time()[0] + pool.redis.time()[1] / 1e6
    made = Verdict(
        parse(text),
        round(now - age, 3),
        anonymity=Anonymity.ELITE,
        exit_ip="127.0.0.9",
        latency_ms=10,
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


def usable(pool: Pool) -> list[Proxy]:
    return [record.proxy for record in pool.usable(1800)]


def test_usable_is_live_fresh_and_not_transparent(pool: Pool) -> None:
    pool.replace(
        [
            verdict(pool, "http://ann:pw@10.0.0.1:80"),
            verdict(pool, "10.0.0.2:80", anonymity=Anonymity.ANONYMOUS),
            verdict(pool, "10.0.0.3:80", anonymity=Anonymity.TRANSPARENT),
            verdict(pool, "10.0.0.4:80", reason="no answer in time"),
            verdict(pool, "10.0.0.5:80", age=1900),
        ]
    )

    assert usable(pool) == [parse("http://ann:pw@10.0.0.1:80"), parse("10.0.0.2:80")]
    counts = pool.counts(1800)
    assert (counts["live"], counts["usable"], counts["generation"]) == (4, 2, 1)
    assert counts["refreshed_at"] > 0


def test_a_new_pool_takes_the_place_of_the_old_one_even_when_it_is_empty(pool: Pool) -> None:
    pool.replace([verdict(pool, "10.0.0.1:80")])

    assert pool.replace([]) == 2
    assert usable(pool) == []


def test_the_pool_and_its_keys_have_no_ttl_and_nothing_else_is_left(pool: Pool) -> None:
    pool.replace([verdict(pool, f"10.0.{n // 250}.{n % 250}:80") for n in range(1200)])

    assert pool.counts(1800)["live"] == 1200
    left = {str(key): pool.redis.ttl(key) for key in pool.redis.keys("*")}
    assert left == {KEYS.pool(): -1, KEYS.pool_meta(): -1}


def test_a_generation_is_above_every_one_that_was_seen(pool: Pool) -> None:
    assert pool.replace([], floor=41) == 42
    assert pool.replace([], floor=7) == 43


def test_three_failures_in_a_row_evict_and_a_success_in_between_does_not(pool: Pool) -> None:
    one, two = verdict(pool, "10.0.0.1:80"), verdict(pool, "10.0.0.2:80")
    pool.replace([one, two])

    for _ in range(EVICTED_AT):
        pool.report(one.proxy, ok=False)
    for ok in (False, False, True, False, False):
        pool.report(two.proxy, ok=ok)

    assert usable(pool) == [two.proxy]
    assert pool.counts(1800)["live"] == 2
    assert pool.redis.hget(KEYS.pool_meta(), "usable") == "1"


def test_an_evicted_proxy_comes_back_when_it_works_again_or_is_found_good(pool: Pool) -> None:
    one = verdict(pool, "10.0.0.1:80")
    pool.replace([one])
    for _ in range(5):
        pool.report(one.proxy, ok=False)

    pool.report(one.proxy, ok=True)
    assert usable(pool) == [one.proxy]
    for _ in range(3):
        pool.report(one.proxy, ok=False)
    pool.replace([one])

    assert usable(pool) == [one.proxy]
    assert pool.redis.hget(KEYS.pool_meta(), "usable") == "1"


def test_a_report_about_a_stranger_leaves_nothing_behind(pool: Pool) -> None:
    assert pool.report(parse("10.0.0.1:80"), ok=False) == 0
    assert pool.redis.keys("*") == []


def test_added_proxies_are_remembered_and_removed_ones_forgotten(pool: Pool) -> None:
    one = verdict(pool, "http://ann:pw@10.0.0.1:80")
    pool.replace([one])

    assert pool.add([one.proxy, parse("10.0.0.2:80")]) == 2
    assert pool.add([one.proxy]) == 0
    assert set(pool.added()) == {one.proxy, parse("10.0.0.2:80")}
    assert pool.remove(parse("http://ann:other@10.0.0.1:80"))
    assert not pool.remove(one.proxy)
    assert pool.added() == [parse("10.0.0.2:80")]
    assert usable(pool) == []
    assert pool.redis.hget(KEYS.pool_meta(), "usable") == "0"


def test_the_file_shows_the_pool_with_its_generation_to_nobody_else(
    pool: Pool, tmp_path: Path
) -> None:
    snapshot = Snapshot(tmp_path / "proxies" / "live_proxies.json", 1800)
    pool.replace([verdict(pool, "socks5://ann:pw@10.0.0.1:1080"), verdict(pool, "10.0.0.2:80")])

    snapshot.write(pool, "COMPLETE")

    document = json.loads(snapshot.path.read_text())
    assert document["generation"] == snapshot.generation() == 1
    assert (document["live"], document["usable"], document["status"]) == (2, 2, "COMPLETE")
    first = document["proxies"][0]
    assert first["url"] == "socks5://ann:pw@10.0.0.1:1080"
    assert (first["protocol"], first["host"], first["port"]) == ("socks5", "10.0.0.1", 1080)
    assert (first["anonymity"], first["exit_ip"], first["latency_ms"]) == ("elite", "127.0.0.9", 10)
    assert stat.S_IMODE(snapshot.path.stat().st_mode) == 0o600


def test_the_file_is_rewritten_when_nothing_is_alive(pool: Pool, tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "live_proxies.json", 1800)
    pool.replace([verdict(pool, "10.0.0.1:80")])
    snapshot.write(pool)
    pool.replace([])

    snapshot.sync(pool, pool.generation(), "COMPLETE")

    assert snapshot.read()["proxies"] == []
    assert snapshot.generation() == 2


def test_a_file_that_is_not_ours_counts_as_none(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "live_proxies.json", 1800)
    for text in ("", "[]", '{"generation": "x"}', "{"):
        snapshot.path.write_text(text)
        assert snapshot.generation() == 0


def test_a_lock_that_is_never_given_back_holds_nobody_up(pool: Pool, tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "live_proxies.json", 1800)
    pool.replace([verdict(pool, "10.0.0.1:80")])
    snapshot.write(pool)
    (lock,) = [path for path in tmp_path.iterdir() if "lock" in path.name]

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a process would that was stopped in the middle
        pool.replace([])
        snapshot.write(pool)

    assert snapshot.read()["live"] == 0
