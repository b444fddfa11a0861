"""The start of a refresh: candidates are cut into chunks, written down, and sent as a chord."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from celery import chord
from kombu.exceptions import OperationalError

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.queues import CONTROL
from orchestrator.core.redis import RedisError
from orchestrator.nodes.registry import Nodes
from proxies import chunk, pace
from proxies.chunk import Pace
from proxies.notice import body_id
from proxies.progress import LEASE_S, RefreshRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis
    from proxies.model import Proxy
    from proxies.sources import Candidates


@dataclass(frozen=True, slots=True)
class Plan:
    """The chunks of a refresh, and the timeout that we would give it."""

    chunks: Sequence[Sequence[Proxy]]
    budget_s: float


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Plans, writes down and sends refreshes."""

    context: Context
    app: Celery
    redis: Redis

    def plan(self, proxies: Sequence[Proxy]) -> Plan:
        """Cut the candidates by what the workers have shown so far."""
        keys, settings = self.context.keys, self.context.settings
        timeout = settings.proxies.check_timeout
        speed = Pace.of(pace.samples(self.redis, keys), settings.proxies.in_flight, timeout)
        slots = Nodes(self.redis, keys).slots(CONTROL) or settings.worker.slots()
        chunks = chunk.split(proxies, slots, speed.work)
        largest = max(map(len, chunks), default=0)
        seconds = chunk.expected(len(chunks), largest, slots, speed, timeout)
        return Plan(chunks, chunk.budget(seconds))

    def begin(self, candidates: Candidates) -> tuple[str, str, Plan]:
        """Write the refresh down and take its lease.

        Return its id, the id of the refresh that runs already (then nothing was written) or "",
        and the plan.
        """
        plan = self.plan(candidates.proxies)
        record = RefreshRecord(self.redis, self.context.keys, uuid.uuid4().hex[:12])
        facts: dict[str, Any] = {
            "candidates": len(candidates.proxies),
            "sources": [asdict(report) for report in candidates.reports],
            "budget_s": plan.budget_s,
        }
        urls = [[proxy.url for proxy in piece] for piece in plan.chunks]
        running = record.begin(urls, max(LEASE_S, plan.budget_s), facts)
        return record.job_id, running, plan

    def send(self, job_id: str, chunks: int) -> None:
        """Send the chord.

        Raises:
            RedisUnavailable: it could not be sent.
        """
        members = [
            self.app.signature(
                "proxies.tasks.check_chunk",
                args=(job_id, index),
                immutable=True,
                ignore_result=True,
            )
            for index in range(chunks)
        ]
        body = self.app.signature("proxies.tasks.collect", args=(job_id,))
        try:
            chord(members, body, app=self.app).apply_async(task_id=body_id(job_id))
        except (OperationalError, RedisError, RuntimeError, OSError) as error:
            raise RedisUnavailable(f"the chunks could not be sent: {error}") from error
