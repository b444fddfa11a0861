"""Messages of dead workers go back to their queues: at once where death is certain.

Celery on Redis keeps what a worker has taken and not acknowledged in one hash for all, and brings a
dead worker's messages back after `visibility_timeout`, because nobody knows whose they are. Here each
node has a hash of its own. A node that starts knows that its earlier start is dead: its messages go
back before it takes new ones. Those of other nodes go back when no other worker of ours lives, and at
the latest when such a node has been away for as long as Celery would have waited.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.celery_app.app import HARD_LIMIT_S
from orchestrator.core.redis import connect
from orchestrator.nodes.registry import Node, Nodes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from celery import Celery

    from orchestrator.core.context import Context
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis

log = logging.getLogger(__name__)

#: After so long without a worker its messages are somebody else's, in seconds: no task runs longer.
ABANDONED_S = HARD_LIMIT_S + 60
#: One worker at a time restores; a killed one holds the lock for so long, in seconds.
LOCK_S = 5.0
#: The hash that kombu uses unless it is told otherwise.
SHARED = ""


def transport_options(keys: Keys, node: str) -> dict[str, str]:
    """Return the options that make kombu keep `node`'s unacknowledged messages apart."""
    return {
        "unacked_key": keys.unacked(node),
        "unacked_index_key": keys.unacked(node, "index"),
        "unacked_mutex_key": keys.unacked(node, "mutex"),
    }


@dataclass(frozen=True, slots=True)
class Restorer:
    """Restores on behalf of the worker `node`."""

    app: Celery
    context: Context
    node: Node

    def begin(self) -> int:
        """Register this node and bring back what its earlier start had; return how many messages.

        Called before the node takes its first message.

        Raises:
            RedisError: nothing is lost, but it has to be called again.
        """
        with contextlib.closing(connect(self.context.config.redis_url, check=False)) as redis:
            nodes = Nodes(redis, self.context.keys)
            with self._lock(redis):
                alone = not [other for other in nodes.live() if other.name != self.node.name]
                nodes.renew(self.node)
                gone = {self.node.name}
                if alone:
                    gone |= {SHARED, *map(str, redis.zrange(self.context.keys.consumers(), 0, -1))}
                restored = self._restore(redis, sorted(gone))
                redis.zadd(self.context.keys.consumers(), {self.node.name: redis.time()[0]})
        return restored

    def renew(self, redis: Redis) -> None:
        """Say that this node may hold messages, and bring back those of nodes that never came back."""
        consumers, now = self.context.keys.consumers(), int(redis.time()[0])
        redis.zadd(consumers, {self.node.name: now})
        if gone := redis.zrangebyscore(consumers, "-inf", now - ABANDONED_S):
            with self._lock(redis):
                self._restore(redis, [str(name) for name in gone])

    def _lock(self, redis: Redis) -> Any:
        return redis.lock(
            self.context.keys.lease("restore"), timeout=LOCK_S, blocking_timeout=2 * LOCK_S
        )

    def _restore(self, redis: Redis, names: Iterable[str]) -> int:
        restored = 0
        for name in names:
            restored += self._restore_one(name)
            redis.zrem(self.context.keys.consumers(), name)
        if restored:
            log.warning("%d messages of workers that died are back in their queues", restored)
        return restored

    def _restore_one(self, name: str) -> int:
        options = transport_options(self.context.keys, name)
        with self.app.connection(transport_options=options) as connection:
            channel: Any = connection.channel()
            with channel.conn_or_acquire() as client:
                tags = client.zrange(channel.unacked_index_key, 0, -1)
                for tag in tags:
                    channel.qos.restore_by_tag(tag, client)
        return len(tags)
