"""The service `worker`: Celery's prefork worker, with our marks around it."""

from __future__ import annotations

import logging
import platform
from typing import TYPE_CHECKING, Any

from celery import signals

from orchestrator.celery_app.app import make_app
from orchestrator.celery_app.heartbeat import Heartbeat
from orchestrator.core.queues import QUEUES
from orchestrator.core.version import VERSION

if TYPE_CHECKING:
    from celery import Celery

    from orchestrator.core.context import Context


def run_worker(context: Context) -> None:
    """Run a worker in this process until it is told to stop.

    Its node name and queues are this home's own, so no worker of another project on the same Redis
    is ever taken for ours. While it shuts down, `run/<service>.stopping` tells its children, whose
    shards end their slices.
    """
    app = make_app(context)
    facts = _facts(context)
    heartbeat = Heartbeat(app, context, facts)
    stopping = context.home.run / f"{context.service}.stopping"
    stopping.unlink(missing_ok=True)

    def ready(**_: Any) -> None:
        facts["tasks"] = sorted(name for name in app.tasks if not name.startswith("celery."))
        heartbeat.start()
        app.send_task("sites.tasks.tick", expires=30, ignore_result=True)

    def shutting_down(**_: Any) -> None:
        stopping.touch()
        heartbeat.stop()

    quieten()
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(shutting_down, weak=False)
    _main(app, facts)


def quieten() -> None:
    """Keep the canary, two lines every 2 s, out of the log."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(
            lambda record: "orchestrator.canary[" not in str(record.getMessage())
        )


def _facts(context: Context) -> dict[str, Any]:
    node = f"orch-{context.home.identity()[:8]}-{context.service}@{platform.node() or 'localhost'}"
    takes = QUEUES
    return {
        "node": node,
        "version": VERSION,
        "takes": list(takes),
        "queues": [context.keys.queue_name(name) for name in (*takes, f"node.{node}")],
        "slots": context.settings.worker.slots(),
    }


def _main(app: Celery, facts: dict[str, Any]) -> None:
    app.worker_main(
        [
            "worker",
            *("--hostname", facts["node"]),
            *("--pool", "prefork"),
            *("--concurrency", str(facts["slots"])),
            *("--queues", ",".join(facts["queues"])),
            "--without-mingle",
            "--without-gossip",
            *("--loglevel", "INFO"),
        ]
    )
