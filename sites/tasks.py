"""The Celery tasks of this package: thin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import shared_task

from orchestrator.celery_app.runtime import task_context
from orchestrator.core.queues import SHARDS
from sites.ends import LONGEST_S
from sites.move import JobRef
from sites.shard import run_shard
from sites.shards import RESERVATION_S
from sites.topup import TopUp

if TYPE_CHECKING:
    from orchestrator.core.context import Context


@shared_task(name="sites.tasks.shard")  # type: ignore[untyped-decorator]
def shard(site: str, job_id: str, holder: str) -> None:
    """Work on a job for one slice; `holder` is the reservation that a top-up made."""
    context = task_context()
    run_shard(context, JobRef(site, job_id), holder, _topup(context))


@shared_task(name="sites.tasks.tick")  # type: ignore[untyped-decorator]
def tick() -> None:
    """Look after all jobs: sent by beat, and by each worker when it starts."""
    _topup(task_context()).run()


def _topup(context: Context) -> TopUp:
    worker = context.settings.worker.of(context.service)
    return TopUp(context, send, least_slots=worker.slots_for(SHARDS))


def send(site: str, job_id: str, reservation: str) -> None:
    """Send a shard to the workers.

    One that nobody takes in time finds its place given away. It is kept for as long as a shard may
    run, because it is delivered again when its worker is killed.
    """
    shard.apply_async(args=[site, job_id, reservation], expires=RESERVATION_S + LONGEST_S)
