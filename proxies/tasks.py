"""The Celery tasks of a refresh. Members never raise: an exception would lose the others' work."""

from __future__ import annotations

import logging

from celery import shared_task

from orchestrator.celery_app.runtime import task_context
from orchestrator.core.redis import RedisError
from proxies.collect import Collector
from proxies.member import Member

log = logging.getLogger(__name__)


@shared_task(name="proxies.tasks.check_chunk", ignore_result=True)  # type: ignore[untyped-decorator]
def check_chunk(job_id: str, index: int) -> int:
    """Check one chunk of a refresh; what it found goes to Redis, its index is the result."""
    try:
        Member(task_context(), job_id, index).run()
    except RedisError:
        log.exception("chunk %d of refresh %s could not report", index, job_id)
    return index


@shared_task(name="proxies.tasks.collect", ignore_result=False)  # type: ignore[untyped-decorator]
def collect(_indexes: list[int], job_id: str) -> bool:
    """End the refresh when all chunks have reported; tell whether it has ended."""
    context = task_context()
    fresh_for = context.settings.proxies.fresh_for
    file = context.home.live_proxies
    return Collector(context.redis, context.keys, file, fresh_for).collect(job_id)
