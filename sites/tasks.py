"""The Celery tasks of this package: thin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from celery import shared_task

from orchestrator.celery_app.runtime import task_context
from orchestrator.core import memory
from orchestrator.core.queues import SHARDS
from sites.crawl.ends import LONGEST_S
from sites.job.ref import JobRef
from sites.jobs.timetable import Timetable
from sites.jobs.topup import TopUp
from sites.shared.shard import run_shard
from sites.shared.shards import RESERVATION_S

if TYPE_CHECKING:
    from orchestrator.core.context import Context


@shared_task(name="sites.tasks.shard")  # type: ignore[untyped-decorator]
def shard(site: str, job_id: str, holder: str) -> None:
    """Work on a job for one slice; `holder` is the reservation that a top-up made."""
    context = task_context()
    run_shard(context, JobRef(site, job_id), holder, _topup(context))


@shared_task(name="sites.tasks.tick")  # type: ignore[untyped-decorator]
def tick() -> None:
    """Look after all jobs, and make those that are due: sent by beat, and by each worker when it starts."""
    context = task_context()
    try:
        Timetable(context).run()
    finally:  # whatever is wrong with a schedule, jobs go on
        _topup(context).run()


def _topup(context: Context) -> TopUp:
    worker = context.settings.worker.of(context.service)
    short = memory.short(context.settings.sites.min_free_mb)
    return TopUp(context, send, least_slots=0 if short else worker.slots_for(SHARDS))


def send(site: str, job_id: str, reservation: str) -> None:
    """Send a shard to the workers.

    One that nobody takes in time finds its place given away. It is kept for as long as a shard may
    run, because it is delivered again when its worker is killed.
    """
    shard.apply_async(args=[site, job_id, reservation], expires=RESERVATION_S + LONGEST_S)
