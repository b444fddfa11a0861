"""The task that a worker sends to itself to prove that its pool children take work."""

from __future__ import annotations

from celery import shared_task

from orchestrator.celery_app.runtime import task_context

#: How long a seen canary is remembered, in seconds: longer than a laptop sleeps at night.
SEEN_TTL_S = 86_400


@shared_task(name="orchestrator.canary", ignore_result=True)  # type: ignore[untyped-decorator]
def canary(node: str, nonce: str) -> None:
    """Say that `nonce` came back out of the queue of `node`."""
    context = task_context()
    context.redis.set(context.keys.canary(node), nonce, ex=SEEN_TTL_S)
