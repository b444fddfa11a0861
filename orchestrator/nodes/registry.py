"""Which worker nodes live, and how many task slots they have."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.queues import QUEUES

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis

#: A node that has not renewed for this long is gone, in seconds; it renews every 2 s.
NODE_TTL_S = 10


@dataclass(frozen=True, slots=True)
class Node:
    """A live worker: `slots` tasks at once, `active` of them taken, from the queues it `takes`.

    `short` says why it takes no new shards, though it takes them: its machine has too little memory.
    """

    name: str
    slots: int
    active: int
    takes: tuple[str, ...] = QUEUES
    short: str = ""


@dataclass(frozen=True, slots=True)
class Nodes:
    """The registry; leases, not counters, so a dead node leaves by itself."""

    redis: Redis
    keys: Keys

    def renew(self, node: Node) -> None:
        """Say that `node` lives."""
        with self.redis.pipeline() as pipe:
            pipe.zadd(self.keys.nodes(), {node.name: self._now() + NODE_TTL_S})
            facts = {"slots": node.slots, "active": node.active, "takes": list(node.takes)}
            text = json.dumps({**facts, "short": node.short})
            pipe.set(self.keys.node(node.name), text, ex=NODE_TTL_S)
            pipe.execute()

    def leave(self, name: str) -> None:
        """Say that the node ends now."""
        with self.redis.pipeline() as pipe:
            pipe.zrem(self.keys.nodes(), name)
            pipe.delete(self.keys.node(name))
            pipe.execute()

    def live(self) -> list[Node]:
        """Every node whose lease has not run out."""
        self.redis.zremrangebyscore(self.keys.nodes(), "-inf", self._now())
        names = [str(name) for name in self.redis.zrange(self.keys.nodes(), 0, -1)]
        if not names:
            return []
        found = self.redis.mget([self.keys.node(name) for name in names])
        return [
            _node(name, json.loads(facts))
            for name, facts in zip(names, found, strict=True)
            if facts
        ]

    def slots(self, queue: str) -> int:
        """Task slots of all live nodes that take work from `queue`."""
        return sum(node.slots for node in self.live() if queue in node.takes)

    def _now(self) -> int:
        return int(self.redis.time()[0])


def _node(name: str, facts: dict[str, Any]) -> Node:
    """Read what a node of any version wrote."""
    takes, short = tuple(facts.get("takes", QUEUES)), facts.get("short", "")
    return Node(name, facts["slots"], facts["active"], takes, short)
