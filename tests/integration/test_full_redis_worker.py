"""A message that is taken while Redis is full is neither lost nor run unnoted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from kombu.transport.redis import Channel

from orchestrator.celery_app.app import make_app
from orchestrator.celery_app.taking import PatientQoS
from orchestrator.core.context import Context
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer


def test_a_message_is_held_on_to_until_redis_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Channel, "QoS", PatientQoS)
    with RedisServer(tmp_path / "redis") as server:
        (tmp_path / "orch.toml").write_text(f'[redis]\nurl = "{server.url}"\nprefix = "p:"\n')
        context = Context.load(tmp_path)
        queue = make_app(context).connection().SimpleQueue("orch.control")
        queue.put("work")
        context.redis.config_set("maxmemory", "1")
        got: list[str] = []
        taking = threading.Thread(target=lambda: got.append(take(queue)))

        taking.start()
        eventually(lambda: not context.redis.llen("p:orch.control"), 50, "it is off its queue")
        taking.join(1.0)
        assert not got
        context.redis.config_set("maxmemory", "0")
        taking.join(60.0)

        assert got == ["work"]


def take(queue: object) -> str:
    """Take one message as a worker does."""
    message = queue.get(timeout=60)  # type: ignore[attr-defined]
    message.ack()
    return str(message.payload)
