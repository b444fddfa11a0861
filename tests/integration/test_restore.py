"""Messages of dead workers go back to their queues; those of living ones stay where they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.celery_app.app import make_app
from orchestrator.celery_app.restore import ABANDONED_S, SHARED, Restorer, transport_options
from orchestrator.core.context import Context
from orchestrator.core.redis import LockError, Redis
from orchestrator.nodes.registry import Node, Nodes
from tests.support.redis_server import RedisServer

QUEUE = "orch.control"


class Place:
    """A home on a Redis of its own, and workers that take messages and never acknowledge them."""

    def __init__(self, folder: Path, url: str, prefix: str) -> None:
        (folder / "orch.toml").write_text(f'[redis]\nurl = "{url}"\nprefix = "{prefix}"\n')
        self.context = Context.load(folder)
        self.context.home.make()
        self.redis: Redis = self.context.redis
        self.redis.flushall()
        self.prefix = prefix
        self.app = make_app(self.context)

    def take(self, node: str, *bodies: str) -> None:
        """Let `node` take messages, as a worker that is then killed."""
        options = transport_options(self.context.keys, node)
        connection = self.app.connection(transport_options=options)
        queue = connection.SimpleQueue(QUEUE)
        queue.channel.do_restore = False  # one that is killed gives nothing back
        for body in bodies:
            queue.put(body)
            queue.get(timeout=60)

    def restorer(self, node: str) -> Restorer:
        return Restorer(self.app, self.context, Node(node, 1, 0))

    def waiting(self) -> int:
        """How many messages wait in the queue."""
        return int(self.redis.llen(f"{self.prefix}{QUEUE}"))

    def held(self, node: str) -> int:
        """How many messages `node` has."""
        return int(self.redis.hlen(f"{self.prefix}{self.context.keys.unacked(node)}"))

    def lives(self, node: str) -> None:
        Nodes(self.redis, self.context.keys).renew(Node(node, 1, 0))
        self.redis.zadd(self.context.keys.consumers(), {node: self.redis.time()[0]})


@pytest.fixture
def place(tmp_path: Path, redis_server: RedisServer) -> Iterator[Place]:
    made = Place(tmp_path, redis_server.url, "mine:")
    yield made
    made.redis.flushall()


def test_what_its_earlier_start_had_taken_is_back_when_a_node_starts(place: Place) -> None:
    place.take("a", "one", "two")
    assert (place.held("a"), place.waiting()) == (2, 0)

    assert place.restorer("a").begin() == 2

    assert (place.held("a"), place.waiting()) == (0, 2)
    queue = place.app.connection().SimpleQueue(QUEUE)
    messages = [queue.get(timeout=60) for _ in range(2)]
    assert sorted(message.payload for message in messages) == ["one", "two"]
    for message in messages:
        message.ack()


def test_a_lease_that_its_own_kill_left_behind_does_not_count(place: Place) -> None:
    place.take("a", "one")
    place.lives("a")

    assert place.restorer("a").begin() == 1


def test_what_another_living_worker_has_taken_stays_its_own(place: Place) -> None:
    place.take("a", "one")
    place.take("b", "two")
    place.take(SHARED, "three")
    place.lives("b")

    assert place.restorer("a").begin() == 1

    assert (place.held("a"), place.held("b"), place.held(SHARED)) == (0, 1, 1)


def test_a_worker_that_is_alone_brings_back_what_all_the_dead_had(place: Place) -> None:
    place.take("b", "two")
    place.take(SHARED, "three")
    place.redis.zadd(place.context.keys.consumers(), {"b": place.redis.time()[0]})

    assert place.restorer("a").begin() == 2

    assert (place.held("b"), place.held(SHARED), place.waiting()) == (0, 0, 2)


def test_a_node_that_never_comes_back_loses_its_messages_to_the_others(place: Place) -> None:
    place.take("b", "two")
    now = int(place.redis.time()[0])
    restorer = place.restorer("a")
    place.redis.zadd(place.context.keys.consumers(), {"b": now - ABANDONED_S + 60})
    restorer.renew(place.redis)
    assert place.held("b") == 1

    place.redis.zadd(place.context.keys.consumers(), {"b": now - ABANDONED_S - 1})
    restorer.renew(place.redis)

    assert (place.held("b"), place.waiting()) == (0, 1)
    assert place.redis.zrange(place.context.keys.consumers(), 0, -1) == ["a"]


def test_of_two_that_start_at_once_only_one_is_alone(place: Place) -> None:
    for node in ("a", "b", SHARED):
        place.take(node, f"of {node}")
    counts: list[int] = []
    both = threading.Barrier(2)

    def start(node: str) -> None:
        both.wait()
        counts.append(place.restorer(node).begin())

    threads = [threading.Thread(target=start, args=(node,)) for node in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == place.waiting() == 3


def test_nothing_is_restored_while_another_one_does(place: Place, monkeypatch: Any) -> None:
    monkeypatch.setattr("orchestrator.celery_app.restore.LOCK_S", 0.1)
    place.take("a", "one")

    with (
        place.redis.lock(place.context.keys.lease("restore"), timeout=30),
        pytest.raises(LockError),
    ):
        place.restorer("a").begin()

    assert place.held("a") == 1
