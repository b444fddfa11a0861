"""A worker proves itself: every 2 s a mark (file and key), and a canary through its own queue."""

from __future__ import annotations

import logging
import threading
import uuid
from typing import TYPE_CHECKING, Any

from celery.worker import state
from kombu.exceptions import OperationalError

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError, RedisUnavailable
from orchestrator.core.mark import Mark
from orchestrator.core.redis import RedisError
from orchestrator.nodes.registry import Node, Nodes

if TYPE_CHECKING:
    from celery import Celery

    from orchestrator.core.context import Context

log = logging.getLogger(__name__)

EVERY_S = 2.0
#: A canary that is out for so long is followed by another one, in seconds.
SECOND_CANARY_S = 5.0


class Heartbeat(threading.Thread):
    """A thread of the worker's main process; `stop()` ends it and takes the node off the registry.

    Its facts: `node, pid, version, queues, takes, tasks, slots, active, processed` and `canary_waits_s`,
    how long the canary has been on its way.
    """

    def __init__(self, app: Celery, context: Context, facts: dict[str, Any]) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._app = app
        self._context = context
        self._facts = facts
        self._mark = Mark.of_this_process(context.home.mark(context.service))
        self._ended = threading.Event()
        self._out: list[str] = []  #: canaries on their way
        self._out_since = self._sent_at = 0.0

    def run(self) -> None:
        """Beat until stopped; Redis or a disk that is away for a while ends nothing."""
        while True:
            try:
                self.beat()
            except (RedisError, OperationalError, OrchError, OSError) as error:
                log.warning("heartbeat: %s", error)
            if self._ended.wait(EVERY_S):
                return

    def stop(self) -> None:
        """End the thread and leave the registry."""
        self._ended.set()
        try:
            Nodes(self._context.redis, self._context.keys).leave(self._facts["node"])
        except (RedisError, RedisUnavailable) as error:
            log.warning("leaving the registry: %s", error)

    def beat(self) -> None:
        """Look after the canary, renew the node's lease, and write the mark whatever Redis says."""
        active = len(state.active_requests)
        client, keys, node = self._context.redis, self._context.keys, self._facts["node"]
        try:
            if client.get(keys.canary(node)) in self._out:
                self._out.clear()
            Nodes(client, keys).renew(
                Node(node, self._facts["slots"], active, tuple(self._facts["takes"]))
            )
        finally:
            self._write(active)
        if not self._out or SYSTEM.monotonic() - self._sent_at > SECOND_CANARY_S:
            self._send_canary()

    def _write(self, active: int) -> None:
        waits = SYSTEM.monotonic() - self._out_since if self._out else 0.0
        self._mark.write(
            **self._facts,
            active=active,
            processed=sum(state.total_count.values()),
            canary_waits_s=round(waits, 3),
        )

    def _send_canary(self) -> None:
        """Send one; a second one goes after it, as a trace can be lost where nothing is wrong."""
        nonce, self._sent_at = uuid.uuid4().hex, SYSTEM.monotonic()
        self._out_since = self._out_since if self._out else self._sent_at
        self._out = [*self._out[-2:], nonce]
        self._app.send_task(
            "orchestrator.canary",
            args=[self._facts["node"], nonce],
            queue=self._facts["queues"][-1],
            retry=False,
            ignore_result=True,
        )
