"""The Celery tasks of a refresh. Members never raise: an exception would lose the others' work."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from orchestrator.celery_app.runtime import task_context
from orchestrator.core.errors import OrchError
from orchestrator.core.redis import RedisError
from proxies.refresh.collect import Collector
from proxies.refresh.member import Member
from proxies.refresh.tend import Tend

log = logging.getLogger(__name__)


@shared_task(name="proxies.tasks.check_chunk", ignore_result=True, bind=True)  # type: ignore[untyped-decorator]
def check_chunk(task: Any, job_id: str, index: int) -> int:
    """Check one chunk of a refresh; what it found goes to Redis, its index is the result."""
    try:
        member = Member(task_context(), job_id, index, message=task.request.id)
        try:
            member.run()
        except SoftTimeLimitExceeded:
            log.warning("chunk %d of refresh %s is out of time", index, job_id)
            member.report()
    except (RedisError, OrchError):
        log.exception("chunk %d of refresh %s could not report", index, job_id)
    return index


@shared_task(name="proxies.tasks.collect", ignore_result=False)  # type: ignore[untyped-decorator]
def collect(_indexes: list[int], job_id: str) -> bool:
    """End the refresh when all chunks have reported; tell whether it has ended."""
    return Collector.of(task_context()).collect(job_id)


@shared_task(name="proxies.tasks.tend", ignore_result=True, bind=True)  # type: ignore[untyped-decorator]
def tend(task: Any) -> None:
    """Look after refreshes that nobody waits for, and start those that are due: sent by beat."""
    Tend(task_context(), task.app).run()
