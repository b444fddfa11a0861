"""The start of a refresh: candidates are cut into chunks, written down, and sent as a chord."""

from __future__ import annotations

import logging
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from celery import chord
from kombu.exceptions import OperationalError

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.queues import CONTROL
from orchestrator.core.redis import RedisError
from orchestrator.nodes.registry import Nodes
from proxies.refresh import chunk, pace
from proxies.refresh.chunk import Pace
from proxies.refresh.notice import body_id
from proxies.refresh.progress import SENDING_S, RefreshRecord
from proxies.sources.yields import Yields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis
    from proxies.model import Proxy
    from proxies.refresh.progress import Progress
    from proxies.sources.sources import Candidates

log = logging.getLogger(__name__)


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

    def slots(self) -> int:
        """Task slots that take chunks, of all live workers."""
        return Nodes(self.redis, self.context.keys).slots(CONTROL)

    def plan(self, proxies: Sequence[Proxy]) -> Plan:
        """Cut the candidates by the live slots."""
        chunks = chunk.split(proxies, self.slots(), _door)
        largest = max(map(len, chunks), default=0)
        return Plan(chunks, chunk.budget(self._expected(len(chunks), largest)))

    def left(self, seen: Progress) -> float:
        """How long checking should still take, in seconds: by the slots and the pace of now."""
        chunks = max(1, seen.total_chunks)
        return self._expected(chunks - seen.completed_chunks, -(-seen.candidates // chunks))

    def _expected(self, chunks: int, largest: int) -> float:
        keys, settings = self.context.keys, self.context.settings.proxies
        timeout = settings.check_timeout
        speed = Pace.of(pace.samples(self.redis, keys), settings.in_flight, timeout)
        return chunk.expected(chunks, largest, self.slots(), speed, timeout)

    def begin(self, candidates: Candidates, want: int) -> tuple[str, str, Plan]:
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
        running = record.begin(urls, SENDING_S, facts, want=want)
        if not running:
            try:
                Yields(self.redis, self.context.keys).begin(record.job_id, candidates)
            except RedisError as error:  # no reason to give the refresh up
                log.warning("what the sources gave is not noted: %s", error)
        return record.job_id, running, plan

    def send(self, job_id: str, chunks: int, lease_s: float) -> None:
        """Send the chord; from then on the refresh needs nobody for `lease_s` seconds.

        Raises:
            RedisUnavailable: it could not be sent.
        """
        record = RefreshRecord(self.redis, self.context.keys, job_id)
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
            record.sent(lease_s)
        except (OperationalError, RedisError, RuntimeError, OSError) as error:
            raise RedisUnavailable(f"the chunks could not be sent: {error}") from error


def _door(proxy: Proxy) -> tuple[str, int, str]:
    """What is tried in several ways, one after the other, by whoever checks it."""
    return proxy.host, proxy.port, proxy.username
