"""The Celery application of a home, with the settings that survive what Redis and workers do.

Why each setting is there stands in the README under "Celery settings".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery
from kombu import Queue

from orchestrator.core.queues import CONTROL, QUEUES, SHARDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.context import Context

#: Modules with `shared_task`s, by name: the tasks import nothing of the app.
TASK_MODULES = (
    "orchestrator.celery_app.canary",
    "proxies.tasks",
    "sites.tasks",
)

#: No task may run longer, in seconds; a shard's slice and a chunk end long before.
HARD_LIMIT_S = 900
SOFT_LIMIT_S = 840

#: How often beat asks for running jobs and refreshes to be looked after, in seconds.
TICK_EVERY_S = 5.0

_SOCKET = {"socket_timeout": 10, "socket_connect_timeout": 5, "health_check_interval": 10}


def make_app(context: Context, include: Sequence[str] = TASK_MODULES) -> Celery:
    """Build the app of `context`'s home and make it the default for every thread of the process.

    `include` names the modules with the tasks that this process runs.
    """
    app = Celery("orch", include=list(include))
    app.conf.update(settings(context))
    app.set_default()
    return app


def settings(context: Context) -> dict[str, Any]:
    """Return the Celery configuration: JSON only, late acks, bounded everything."""
    return {**_transport(context), **_tasks(context), **_WORKER, **_BEAT}


def _transport(context: Context) -> dict[str, Any]:
    url, prefix = context.config.broker_url, context.keys.prefix
    over_tcp = not url.startswith("redis+socket:")  # a Unix socket knows no keepalive
    options = {
        **_SOCKET,
        **({"socket_keepalive": True} if over_tcp else {}),
        "visibility_timeout": HARD_LIMIT_S + 60,
        "global_keyprefix": prefix,
        "unacked_restore_interval": 1,
    }
    return {
        "broker_url": url,
        "broker_transport_options": options,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": 5,
        "result_backend": url,
        "result_backend_transport_options": {"global_keyprefix": prefix},
        "result_backend_always_retry": True,
        "redis_socket_timeout": 10.0,
        "redis_socket_connect_timeout": 5.0,
        "redis_socket_keepalive": over_tcp,
        "redis_backend_health_check_interval": 10,
        "result_expires": 3600,
    }


def _tasks(context: Context) -> dict[str, Any]:
    queue = context.keys.queue_name
    return {
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_track_started": True,
        "task_time_limit": HARD_LIMIT_S,
        "task_soft_time_limit": SOFT_LIMIT_S,
        "task_default_queue": queue(CONTROL),
        "task_queues": [Queue(queue(name)) for name in QUEUES],
        "task_routes": {"sites.tasks.shard": {"queue": queue(SHARDS)}},
        "task_create_missing_queues": True,
        "enable_utc": True,
    }


_WORKER = {
    "worker_prefetch_multiplier": 1,
    "worker_hijack_root_logger": True,
    "worker_redirect_stdouts": False,
    # With acks_late this loses tasks when the connection is lost.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}

_BEAT = {
    "beat_scheduler": "orchestrator.celery_app.beat:MarkingScheduler",
    "beat_max_loop_interval": 0.5,  # so soon a dead shard is seen
    "beat_schedule": {
        name: {
            "task": task,
            "schedule": TICK_EVERY_S,
            "options": {"expires": TICK_EVERY_S, "ignore_result": True},
        }
        for name, task in {"tick": "sites.tasks.tick", "tend": "proxies.tasks.tend"}.items()
    },
}
