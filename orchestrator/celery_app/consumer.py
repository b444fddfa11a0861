"""Celery's consumer, which brings back what the dead left, is soon back itself, and can be looked at."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from celery.worker import state
from celery.worker.consumer import Consumer

from orchestrator.core.redis import LockError, ResponseError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.celery_app.restore import Restorer

log = logging.getLogger(__name__)

#: A Redis that is back is noticed within this time, in seconds; Celery's own steps grow to 30.
LONGEST_PAUSE_S = 2.0
STEP_S = 0.5


class WorkerConsumer(Consumer):  # type: ignore[misc]
    """`app.restorer` restores at the first connection, before the first message is taken."""

    _restored = False

    def connect(self) -> Any:
        """Connect, at whatever time Redis is there."""
        connection = super().connect()
        if not self._restored:
            restore(self.app.restorer)
            self._restored = True
        return connection

    def ensure_connected(self, conn: Any) -> Any:
        """Try again in short steps: jobs wait while nothing is consumed."""

        def tell(error: Exception, pause: float) -> None:
            log.warning("no connection to Redis: %s; trying again in %g s", error, pause)

        conn.ensure_connection(
            tell,
            None,
            interval_start=STEP_S,
            interval_step=STEP_S,
            interval_max=LONGEST_PAUSE_S,
            callback=state.maybe_shutdown,
        )
        return super().ensure_connected(conn)


def restore(restorer: Restorer) -> None:
    """Restore; a Redis that is full refuses it, and then the messages wait where they are."""
    try:
        restorer.begin()
    except (ResponseError, LockError) as error:
        log.warning("messages of dead workers were not restored: %s", error)


def unconsumed(consumer: Consumer | None, queues: Iterable[str]) -> list[str]:
    """Those of `queues` that `consumer` takes nothing from, whatever it was told to take.

    Read from another thread: it only looks.
    """
    task_consumer = consumer.task_consumer if consumer is not None else None
    channel = task_consumer.channel if task_consumer is not None else None
    if channel is None or channel.closed:
        return sorted(queues)
    return sorted(set(queues) - set(channel.active_queues))
