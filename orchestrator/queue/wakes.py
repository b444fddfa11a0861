"""Waiting for word from Redis that there may be work."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock, Deadline
from orchestrator.core.redis import RedisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.redis import Redis

#: A subscription is confirmed within so many seconds, or not at all.
_CONFIRMED_S = 2.0


class Wakes:
    """A subscription to one channel for each thread that waits, made at its first wait.

    `work_waits` is asked once it stands: what came before it was told to nobody.
    """

    def __init__(
        self, client: Redis, channel: str, work_waits: Callable[[], bool], clock: Clock = SYSTEM
    ) -> None:
        self._client = client
        self._channel = channel
        self._work_waits = work_waits
        self._clock = clock
        self._mine = threading.local()
        self._closed = 0

    def wait(self, timeout: float) -> bool:
        """Tell whether there may be work since the last call; wait `timeout` seconds for it at most."""
        deadline = Deadline.after(timeout, self._clock)
        try:
            new = self._subscribe()
            return (new and self._work_waits()) or self._told(deadline)
        except RedisError:
            self._drop()
            raise

    def close(self) -> None:
        """End the subscriptions; another wait makes a new one."""
        self._closed += 1
        self._drop()

    def _subscribe(self) -> bool:
        """Have this thread a subscription of its own; tell whether it is new. None lives in a fork."""
        of = (os.getpid(), self._closed)
        if getattr(self._mine, "of", None) == of:
            return False
        self._mine.channel = self._client.pubsub()  # type: ignore[no-untyped-call]
        self._mine.channel.subscribe(self._channel)
        self._mine.of = of
        deadline = Deadline.after(_CONFIRMED_S, self._clock)
        while not deadline.passed and self._next(deadline.remaining()) != "subscribe":
            continue
        return True

    def _told(self, deadline: Deadline) -> bool:
        """Wait for a word, and take what came with it. A new subscription may have missed one."""
        while (word := self._next(deadline.remaining())) not in {"message", "subscribe"}:
            if word is None and deadline.passed:
                return False
        while self._next(0.0) is not None:
            continue
        return True

    def _next(self, timeout: float) -> Any:
        found = self._mine.channel.get_message(timeout=max(0.0, timeout))
        return found and found["type"]

    def _drop(self) -> None:
        channel = getattr(self._mine, "channel", None)
        if channel is not None and self._mine.of[0] == os.getpid():
            channel.close()
        self._mine.__dict__.clear()
