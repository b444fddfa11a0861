"""What a server refuses, or cannot do now, is told with what to do and the right exit code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.queue_place import Place, opened
from orchestrator.core.errors import (
    ConfigError,
    DiskFull,
    IncompatibleData,
    OrchError,
    RedisNotReady,
    RedisUnavailable,
)
from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis, RedisError, ResponseError, connect
from orchestrator.queue.model import NewJob
from tests.support.orch import Orch, eventually
from tests.support.ports import free_port
from tests.support.queue_home import QueueHome
from tests.support.queue_place import add, one
from tests.support.redis_server import RedisServer

KEYS = Keys().queue("jobs")


@pytest.fixture
def server(server: RedisServer) -> Iterator[RedisServer]:
    """One that a test may spoil, with a queue of one job."""
    with opened(Place(server.url), create=True) as queue:
        add(queue.store, "first")
    yield server
    server.kill()


@pytest.fixture
def redis(server: RedisServer) -> Iterator[Redis]:
    with connect(server.url) as client:
        yield client


def refused(url: str, kind: type[OrchError], told: str, hint: str) -> None:
    """Adding a job is refused like this."""
    with pytest.raises(kind) as caught, opened(Place(url), create=True) as queue:
        queue.store.enqueue([NewJob("a")])
    assert type(caught.value) is kind
    assert told in str(caught.value)
    assert hint in caught.value.hint
    assert "user_script" not in str(caught.value)


def test_one_that_is_full(server: RedisServer, redis: Redis) -> None:
    redis.config_set("maxmemory", 1)
    refused(server.url, DiskFull, "is full", "maxmemory")
    with opened(Place(server.url)) as queue:
        assert queue.stats().queued == 1
        assert one(queue.store).id == "first"  # what is there can be done


def test_one_that_cannot_save(server: RedisServer, redis: Redis) -> None:
    (server.folder / "dump.rdb").mkdir()
    redis.config_set("save", "1 1")
    redis.set("x", 1)
    eventually(lambda: redis.info("persistence")["rdb_last_bgsave_status"] == "err")
    refused(server.url, DiskFull, "cannot save to its disk", "its log says why")
    with opened(Place(server.url)) as queue:
        assert queue.stats().queued == 1


def test_a_replica(server: RedisServer, redis: Redis) -> None:
    redis.replicaof("127.0.0.1", free_port())
    refused(server.url, RedisNotReady, "takes no writes", "primary")
    redis.config_set("replica-serve-stale-data", "no")
    refused(server.url, RedisNotReady, "lost its primary", "primary")


def test_one_that_is_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = ("--key-load-delay", "6000", "--loading-process-events-interval-bytes", "1024")
    server = RedisServer(tmp_path, options=(*slow, "--appendonly", "no"))
    with server, connect(server.url) as redis:
        redis.mset({f"k{number}": "x" * 100 for number in range(3000)})
        redis.save()
        server.kill()
        monkeypatch.setattr(server, "wait_ready", lambda: None)
        server.start()
        eventually(lambda: _answers(server))
        refused(server.url, RedisNotReady, "is still loading", "in a moment")
        server.kill()


def _answers(server: RedisServer) -> bool:
    try:
        connect(server.url, check=False).ping()
    except ResponseError:
        return True
    except RedisError as error:
        return "loading" in str(error)
    return True


@pytest.mark.parametrize("user", ["", ":wrong@", "nobody:wrong@"])
def test_one_that_wants_a_password(server: RedisServer, redis: Redis, user: str) -> None:
    redis.config_set("requirepass", "secret")
    url = f"unix://{user}{server.socket}"
    refused(url, ConfigError, "who have its password", "USER:PASSWORD@")
    with opened(Place(f"unix://:secret@{server.socket}")) as queue:
        redis.config_set("requirepass", "another")
        assert queue.stats().queued == 1  # who is in stays in


def test_a_user_who_may_not(server: RedisServer, redis: Redis) -> None:
    redis.acl_setuser(
        "reader", enabled=True, passwords=["+pw"], keys=["queue:*"], commands=["+@read", "+ping"]
    )
    refused(f"unix://reader:pw@{server.socket}", ConfigError, "forbids", "ACL SETUSER")


@pytest.mark.parametrize("key", [KEYS.state, KEYS.ready, KEYS.fence, KEYS.free])
def test_names_that_somebody_else_uses(server: RedisServer, redis: Redis, key: str) -> None:
    """Nothing is written: half of a job would be there."""
    redis.delete(key)
    redis.xadd(key, {"a": "b"})
    names = redis.keys()
    before = {name: redis.dump(name) for name in names}
    refused(server.url, IncompatibleData, key, "#NAME")
    assert set(redis.keys()) == set(names)  # in no order
    assert {name: redis.dump(name) for name in names} == before
    with pytest.raises(IncompatibleData), opened(Place(server.url)):
        pass


def test_names_that_somebody_else_takes_meanwhile(server: RedisServer, redis: Redis) -> None:
    with opened(Place(server.url)) as queue:
        redis.set(KEYS.about, "x")
        with pytest.raises(IncompatibleData) as caught:
            queue.store.enqueue([NewJob("a")])
    assert "another program" in str(caught.value)


def test_anything_else_that_it_says(server: RedisServer, redis: Redis) -> None:
    with opened(Place(server.url)) as queue:
        redis.config_set("maxmemory", 0)
        redis.hset(KEYS.counts, "lanes", "no number")
        with pytest.raises(RedisUnavailable, match=r"refused: .*not an integer") as caught:
            queue.store.enqueue([NewJob("a", key="new")])
    assert isinstance(caught.value.__cause__, ResponseError)


def test_none_at_all() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    refused(url, RedisUnavailable, "no answer", f"is there a server at {url}?")


def test_one_that_goes_away(server: RedisServer) -> None:
    def look() -> None:
        with opened(Place(server.url)) as queue:
            server.kill()
            queue.stats()

    with pytest.raises(RedisUnavailable, match="does not answer") as caught:
        look()
    assert server.url in caught.value.hint


def test_commands_say_it_with_their_exit_codes(
    server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    home = QueueHome(Orch(tmp_path / "home", ""), server.url)
    redis.config_set("maxmemory", 1)
    done = home("enqueue", "a")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("orch: Redis is full")
    redis.config_set("requirepass", "secret")
    done = home("stats")
    assert (done.returncode, done.stdout) == (2, "")
    assert "password" in done.stderr
