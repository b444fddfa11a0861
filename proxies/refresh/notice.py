"""The quickest notice of a refresh's end: the result of the chord's body, as Celery announces it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

    from celery import Celery
    from redis.client import PubSub

    from orchestrator.core.redis import Redis

#: Celery's states of a task that has ended.
_ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


def body_id(job_id: str) -> str:
    """The Celery id of the chord's body: whoever joins a refresh can wait for it too."""
    return f"collect-{job_id}"


class ChordNotice:
    """Tells that the chord's body has run.

    Celery's Redis backend publishes a result under the name of its key. We listen to that with a
    client of our own: `AsyncResult.get` waits for many seconds beyond its timeout, and again when it
    is garbage collected, if Redis does not answer.
    """

    def __init__(self, redis: Redis, app: Celery, job_id: str) -> None:
        key = app.backend.get_key_for_task(body_id(job_id))
        self._key = key.decode() if isinstance(key, bytes) else str(key)
        self._redis = redis
        self._channel: PubSub | None = None
        self.arrived = False

    def __enter__(self) -> Self:
        """Begin to listen.

        Raises:
            RedisError: Redis does not answer.
        """
        self._channel = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py publishes none here
        self._channel.subscribe(self._key)
        self._take(self._redis.get(self._key))
        return self

    def wait(self, seconds: float) -> None:
        """Wait for it, at most `seconds`.

        Raises:
            RedisError: Redis has gone.
        """
        message = self._channel.get_message(timeout=seconds) if self._channel else None
        if message:
            self._take(message["data"])

    def _take(self, result: Any) -> None:
        """Look whether a result says that the body has ended; Celery announces its start too."""
        if isinstance(result, str) and json.loads(result)["status"] in _ENDED:
            self.arrived = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._channel:
            self._channel.close()
