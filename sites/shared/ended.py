"""Why pages ended, as the frontier knows it: also those that nobody could write a result for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sites.job.classes import LOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.core.keys import QueueKeys
    from orchestrator.core.redis import Redis
    from orchestrator.queue.model import QueueState

#: Pages that are looked at in one step.
STEP = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """A page that ended without success, and why."""

    url: str
    reason: str
    attempts: int

    def __str__(self) -> str:
        return f"{self.reason} ({self.url})"

    def row(self) -> dict[str, Any]:
        """As one of the failures of a job; what only a result tells is empty."""
        facts = {"url": self.url, "state": "error", "kind": LOST, "reason": self.reason}
        return {**facts, "attempts": self.attempts, "missing": {}, "proxy": ""}


def ended(redis: Redis, queue: QueueKeys, state: QueueState) -> Iterator[Ended]:
    """Every page that ended as `state` with a reason, in no order; one may come twice."""
    cursor = -1
    while cursor:
        cursor, reply = redis.hscan(queue.error, max(0, cursor), count=STEP)
        found: dict[str, str] = dict(reply)  # type: ignore[arg-type]
        states = redis.hmget(queue.state, list(found)) if found else []
        for (url, text), was in zip(found.items(), states, strict=True):
            if was == state[0]:
                why = json.loads(text)
                yield Ended(url, str(why["reason"]), int(why["attempts"]))
