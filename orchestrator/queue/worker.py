"""One job at a time, in the caller's own thread."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.heartbeat import Heartbeat
from orchestrator.queue.pipeline import Task
from orchestrator.queue.verdict import NotOurs, perform, settle

if TYPE_CHECKING:
    from orchestrator.queue.pipeline import Pipelines
    from orchestrator.queue.work import WorkQueue

log = logging.getLogger(__name__)

#: Leases are extended so often, or three times in their life if that is more often; in seconds.
HEARTBEAT_S = 30.0


@dataclass(frozen=True, slots=True)
class Worker:
    """Works off a queue by hand: a loop, a test, a program of one's own.

    >>> Worker(queue, Pipelines({"mine": print}, "mine")).run_one()  # doctest: +SKIP
    True
    """

    queue: WorkQueue
    pipelines: Pipelines
    name: str = ""
    folder: Path = Path("data")

    def run_one(self) -> bool:
        """Lease a job, run its pipeline and tell the queue what came of it; False: there was no job.

        One whose pipeline is not here is given back, for a few seconds.

        Raises:
            OrchError: the store is away; a job that was leased comes back when its lease runs out.
        """
        leases = self.queue.lease(1, self.name)
        for lease in leases:
            self._run(Task(lease, self.folder, shared=self.queue.store.shared))
        return bool(leases)

    def _run(self, task: Task) -> None:
        token = task.lease.token
        every = min(HEARTBEAT_S, self.queue.lease_ttl_s / 3)

        def answered(_: float, lost: list[str]) -> None:
            if lost:
                task.over.set()

        with Heartbeat(self.queue, every, lambda: (token,), answered):
            try:
                verdict = perform(self.pipelines, task)
            except KeyboardInterrupt:
                self.queue.release([token])
                raise
        if isinstance(verdict, NotOurs):
            log.warning("%s: there is no pipeline %r here; given back", task.id, verdict.pipeline)
        try:
            settle(self.queue, token, verdict)
        except LeaseLost:
            log.warning("%s: the lease is lost; what came of it is dropped", task.id)
