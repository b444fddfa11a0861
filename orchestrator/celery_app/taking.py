"""Taking a message while Redis is full: it is held on to until Redis has room to note that it is taken."""

from __future__ import annotations

import logging
from typing import Any

from celery.worker import state
from kombu.transport.redis import Channel, QoS
from redis.exceptions import OutOfMemoryError

from orchestrator.core.clock import SYSTEM

log = logging.getLogger(__name__)

#: How often a full Redis is asked whether it has room again, in seconds.
ASK_EVERY_S = 0.5


class PatientQoS(QoS):  # type: ignore[misc]
    """kombu takes a message off its queue first and notes it then.

    Its error at the second step would end the worker, and the message would be nowhere.
    """

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a message that was taken; nothing else is taken before that has succeeded."""
        told = False
        while not self._noted(message, delivery_tag):
            if not told:
                log.warning("Redis is full: a message waits until there is room to take it")
            told = True
            state.maybe_shutdown()
            SYSTEM.sleep(ASK_EVERY_S)

    def _noted(self, message: Any, delivery_tag: str) -> bool:
        try:
            super().append(message, delivery_tag)
        except OutOfMemoryError:
            return False
        return True


def be_patient() -> None:
    """Let every channel of this process take messages like this."""
    Channel.QoS = PatientQoS
