"""Fixtures of the tests of `orch queue …`."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.support.orch import Orch
from tests.support.queue_home import QueueHome
from tests.support.redis_server import RedisServer


@pytest.fixture
def home(tmp_path: Path) -> QueueHome:
    """A home in which nothing was done yet."""
    return QueueHome(Orch(tmp_path / "home", ""))


@pytest.fixture(params=["file", "redis"])
def either(request: pytest.FixtureRequest, home: QueueHome) -> QueueHome:
    """The same test over a queue in a file and one in Redis."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        home.target = f"{server.url}#{uuid.uuid4().hex}"
    return home
