"""The pool as files, over a real server and a fake one."""

from __future__ import annotations

import fcntl
import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from proxies.model import Anonymity, Verdict, parse
from proxies.pool.pool import Pool, PoolState
from proxies.pool.snapshot import Snapshot

KEYS = Keys("test:")


@pytest.fixture
def pool(any_redis: Redis) -> Pool:
    return Pool(any_redis, KEYS)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Snapshot(tmp_path / "proxies" / "live_proxies.json", 1800)


def fill(pool: Pool, *texts: str, **facts: Any) -> None:
    at = float(pool.redis.time()[0])
    facts = {"anonymity": Anonymity.ELITE, "exit_ip": "127.0.0.9", "latency_ms": 10, **facts}
    pool.replace([Verdict(parse(text), at, **facts) for text in texts])


def lines(snapshot: Snapshot) -> list[str]:
    return snapshot.path.with_suffix(".txt").read_text().splitlines()


def test_the_file_shows_the_pool_with_its_generation_to_nobody_else(
    pool: Pool, snapshot: Snapshot
) -> None:
    fill(pool, "socks5://ann:pw@10.0.0.1:1080", "10.0.0.2:80")

    snapshot.write(pool, "COMPLETE")

    document = json.loads(snapshot.path.read_text())
    assert document["generation"] == snapshot.generation() == 1
    assert (document["live"], document["usable"], document["status"]) == (2, 2, "COMPLETE")
    first = next(row for row in document["proxies"] if row["protocol"] == "socks5")
    assert (first["host"], first["port"]) == ("10.0.0.1", 1080)
    assert (first["anonymity"], first["exit_ip"], first["latency_ms"]) == ("elite", "127.0.0.9", 10)
    assert first["checked_at"] > 0
    assert first["score"] > 0
    for path in (snapshot.path, snapshot.path.with_suffix(".txt")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_credentials_are_in_the_files(pool: Pool, snapshot: Snapshot) -> None:
    fill(pool, "socks5://ann:secret@10.0.0.1:1080", "10.0.0.2:80")

    snapshot.write(pool)

    text = snapshot.path.read_text()
    assert "ann" not in text.replace("anonym", "")
    assert "secret" not in text
    row = next(row for row in json.loads(text)["proxies"] if row["protocol"] == "socks5")
    assert (row["url"], row["username"]) == ("socks5://***@10.0.0.1:1080", "***")
    assert lines(snapshot) == ["http://10.0.0.2:80"]


def test_credentials_are_in_the_files_when_that_is_wanted(pool: Pool, tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "live_proxies.json", 1800, credentials=True)
    fill(pool, "socks5://ann:secret@10.0.0.1:1080")

    snapshot.write(pool)

    (row,) = snapshot.read()["proxies"]
    assert row["url"] == "socks5://ann:secret@10.0.0.1:1080"
    assert (row["username"], row["password"]) == ("ann", "secret")
    assert lines(snapshot) == ["socks5://ann:secret@10.0.0.1:1080"]


def test_the_text_has_only_usable_proxies(pool: Pool, snapshot: Snapshot) -> None:
    fill(pool, "10.0.0.1:80", anonymity=Anonymity.TRANSPARENT)

    snapshot.write(pool)

    (row,) = snapshot.read()["proxies"]
    assert (row["usable"], row["score"]) == (False, 0.0)
    assert lines(snapshot) == []


def test_the_files_are_rewritten_when_nothing_is_alive(pool: Pool, snapshot: Snapshot) -> None:
    fill(pool, "10.0.0.1:80")
    snapshot.write(pool)
    pool.replace([])

    snapshot.sync(pool, pool.generation(), "COMPLETE")

    assert snapshot.read()["proxies"] == []
    assert snapshot.generation() == 2
    assert lines(snapshot) == []


def test_a_file_that_is_not_ours_counts_as_none(tmp_path: Path) -> None:
    snapshot = Snapshot(tmp_path / "live_proxies.json", 1800)
    for text in ("", "[]", '{"generation": "x"}', "{"):
        snapshot.path.write_text(text)
        assert snapshot.generation() == 0


def test_a_lock_that_is_never_given_back_holds_nobody_up(pool: Pool, snapshot: Snapshot) -> None:
    fill(pool, "10.0.0.1:80")
    snapshot.write(pool)
    (lock,) = [path for path in snapshot.path.parent.iterdir() if "lock" in path.name]

    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # as a process would that was stopped in the middle
        pool.replace([])
        snapshot.write(pool)

    assert snapshot.read()["live"] == 0


def test_a_writer_that_was_stopped_for_long_takes_nobody_back(
    pool: Pool, snapshot: Snapshot
) -> None:
    class Stopped(Pool):
        def state(self) -> PoolState:
            seen = super().state()
            pool.replace([])
            snapshot.write(pool)  # by somebody who does not wait for the lock any longer
            return seen

    fill(pool, "10.0.0.1:80")

    snapshot.write(Stopped(pool.redis, pool.keys))

    assert snapshot.generation() == 2
    assert lines(snapshot) == []


def test_readers_see_whole_files_and_never_an_older_generation(
    real_redis: Redis, snapshot: Snapshot
) -> None:
    pool = Pool(real_redis, KEYS)
    fill(pool, *(f"10.0.0.{number}:80" for number in range(1, 51)))
    snapshot.write(pool)
    over = threading.Event()

    def read() -> list[int]:
        generations = []
        while not over.is_set():
            generations.append(json.loads(snapshot.path.read_text())["generation"])
            assert snapshot.path.with_suffix(".txt").read_text().endswith(":80\n")
        return generations

    with ThreadPoolExecutor(4) as readers:
        reading = [readers.submit(read) for _ in range(4)]
        for _ in range(100):
            real_redis.hincrby(KEYS.pool_meta(), "generation", 1)
            snapshot.write(pool)
        over.set()

    for each in reading:
        generations = each.result()
        assert len(generations) > 10
        assert all(before <= after for before, after in pairwise(generations))
    assert snapshot.generation() == 101
