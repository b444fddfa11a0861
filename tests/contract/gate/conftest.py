"""Each test of this folder runs over each store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.gate import calls, scripts
from tests.contract.gate.place import LocalHands, Place, RedisHands
from tests.support.redis_server import RedisServer


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stalls is no server that is away."""
    monkeypatch.setattr(scripts, "STEP_S", 20.0)
    monkeypatch.setattr(calls, "CONNECT_S", 20.0)


@pytest.fixture(params=["local", "redis"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A store that knows nothing yet."""
    if request.param == "local":
        yield Place(LocalHands())
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    hands = RedisHands(request.getfixturevalue("real_redis"), server.url)
    yield Place(hands)
    hands.close()
