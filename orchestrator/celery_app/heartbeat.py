"""A worker proves itself: every 2 s a mark (file and key), and a canary through its own queue."""

from __future__ import annotations

import logging
import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery.worker import state
from kombu.exceptions import OperationalError

from orchestrator.celery_app.canary import NAME as CANARY
from orchestrator.celery_app.consumer import unconsumed
from orchestrator.celery_app.patience import Activity, FairClock, Owed, Standstill
from orchestrator.core import memory
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError, RedisUnavailable
from orchestrator.core.mark import Mark
from orchestrator.core.redis import RedisError, connect
from orchestrator.nodes.registry import Nodes
from orchestrator.supervise.health import Activity as Doing

if TYPE_CHECKING:
    from celery import Celery
    from celery.worker.consumer import Consumer

    from orchestrator.celery_app.progress import Board
    from orchestrator.celery_app.restore import Restorer
    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis

log = logging.getLogger(__name__)

EVERY_S = 2.0
#: So many canaries on their way are known: of those sent while the oldest may still come back.
KNOWN = 5
#: Redis answers within this time, or counts as away for the moment, in seconds.
REDIS_TIMEOUT_S = 1.0


class Heartbeat(threading.Thread):
    """A thread of the worker's main process; `stop()` ends it and takes the node off the registry.

    Its facts: `node, pid, version, queues, tasks, slots, active, processed`, and for how long the
    worker has owed what the supervisor judges (seconds in which Redis was there and the worker did
    not stand still; 0 when it owes nothing):

    * `canary_waits_s`: a canary is on its way although a slot is free;
    * `deaf_s`: it takes nothing from the queues `deaf_to`;
    * `stalled_s`: no slot is free, and none of the running tasks gets on.
    """

    def __init__(
        self, app: Celery, context: Context, facts: dict[str, Any], board: Board, restorer: Restorer
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._app = app
        self._context = context
        self._facts = facts
        self._board = board
        self._restorer = restorer
        self._consumer: Consumer | None = None
        self._mark = Mark.of_this_process(context.home.mark(context.service))
        self._ended = threading.Event()
        self._clock = FairClock()
        self._canary, self._deaf, self._standstill = Owed(), Owed(), Standstill()
        self._out: list[str] = []  #: canaries on their way

    def watch(self, consumer: Consumer) -> None:
        """Begin; `consumer` is what takes the worker's messages."""
        self._consumer = consumer
        self.start()

    def run(self) -> None:
        """Beat until stopped; Redis or a disk that is away for a while ends nothing."""
        redis = connect(
            self._context.config.redis_url, timeout=REDIS_TIMEOUT_S, retries=0, check=False
        )
        while True:
            try:
                self.beat(redis)
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

    def beat(self, redis: Redis) -> None:
        """Renew the node's lease, write the mark whatever Redis says, and look after the canary."""
        running = [request for request in list(state.active_requests) if request.name != CANARY]
        active = [request.worker_pid for request in running]
        fair = False
        try:
            self._renew(redis, len(active))
            fair = True
        finally:
            passed = self._clock.look(SYSTEM.monotonic(), fair=fair)
            self._write(active, passed)
        if not self._out or self._has_free_slot(len(active)):
            self._send_canary()
            self._canary_waits(len(active))

    def _renew(self, redis: Redis, active: int) -> None:
        if redis.get(self._context.keys.canary(self._facts["node"])) in self._out:
            self._out.clear()
        short = memory.short(self._context.settings.sites.min_free_mb)
        node = replace(self._restorer.node, active=active, short=short)
        Nodes(redis, self._context.keys).renew(node)
        self._restorer.renew(redis)

    def _write(self, active: list[int | None], passed: float) -> None:
        deaf_to = unconsumed(self._consumer, self._facts["queues"])
        now = self._clock.now
        self._mark.write(
            **self._facts,
            active=len(active),
            processed=sum(state.total_count.values()),
            canary_waits_s=round(self._canary_waits(len(active)), 3),
            deaf_s=round(self._deaf.look(now, due=bool(deaf_to)), 3),
            deaf_to=deaf_to,
            stalled_s=round(self._stalled(active, passed), 3),
        )

    def _canary_waits(self, active: int) -> float:
        """A canary is owed only while there is a free slot for it."""
        due = bool(self._out) and self._has_free_slot(active)
        return self._canary.look(self._clock.now, due=due)

    def _has_free_slot(self, active: int) -> bool:
        """Whether a canary has where to go; one that hangs there takes no slot from the next."""
        return active < int(self._facts["slots"])

    def _stalled(self, active: list[int | None], passed: float) -> float:
        """Progress is owed only while there is no free slot: until then the canary tells more."""
        if self._has_free_slot(len(active)):
            return self._standstill.look(self._clock.now, passed, {})
        signs = self._board.read()
        return self._standstill.look(
            self._clock.now, passed, {pid: _activity(pid, signs) for pid in active}
        )

    def _send_canary(self) -> None:
        """Send one; others go after it, as a trace can be lost where nothing is wrong."""
        nonce = uuid.uuid4().hex
        self._out = [*self._out, nonce][-KNOWN:]
        self._app.send_task(
            CANARY,
            args=[self._facts["node"], nonce],
            queue=self._facts["queues"][-1],
            retry=False,
            ignore_result=True,
        )


def _activity(pid: int | None, signs: dict[int, int]) -> Activity | None:
    """What a child of the pool has done up to now; None when it has no place to give signs."""
    if pid is None or pid not in signs:
        return None
    doing = Doing.of(pid)
    return Activity(signs[pid], doing.cpu_s, doing.disk_wait)
