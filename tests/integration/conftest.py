"""Fixtures of the tests of the gate and of site jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator.core.redis import Redis
from tests.support.gate_place import Place
from tests.support.redis_server import RedisServer
from tests.support.site_home import SiteHome
from tests.support.site_server import Site, tree


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is busy with other things is no server that is away."""
    monkeypatch.setattr("orchestrator.gate.scripts.STEP_S", 10.0)
    monkeypatch.setattr("orchestrator.gate.calls.CONNECT_S", 10.0)


@pytest.fixture(params=["local", "redis"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The same test in the memory of this process and at a real server, which is empty."""
    url = None
    if request.param == "redis":
        request.getfixturevalue("real_redis")
        url = request.getfixturevalue("redis_server").url
    with closing(Place(url)) as made:
        yield made


@pytest.fixture
def settings() -> str:
    """What else stands in the `orch.toml` of `home`: for a test to say."""
    return ""


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis, settings: str) -> SiteHome:
    """What site jobs need, at a real server that is empty."""
    del real_redis
    return SiteHome(tmp_path, redis_server.url, settings=settings)


@pytest.fixture
def site() -> Iterator[Site]:
    """A site of 60 pages."""
    with Site(tree(60)) as server:
        yield server
