"""The task that a worker sends to itself to prove that its pool children take work."""

from __future__ import annotations

from celery import shared_task

from orchestrator.celery_app.runtime import task_context

NAME = "orchestrator.canary"
#: How long a seen canary is remembered, in seconds: a clock that is set on by a day, or a laptop that
#: sleeps over a weekend, takes no trace away.
SEEN_TTL_S = 7 * 86_400


@shared_task(name=NAME, ignore_result=True)  # type: ignore[untyped-decorator]
def canary(node: str, nonce: str) -> None:
    """Say that `nonce` came back out of the queue of `node`."""
    context = task_context()
    context.redis.set(context.keys.canary(node), nonce, ex=SEEN_TTL_S)
