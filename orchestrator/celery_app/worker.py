"""The service `worker`: Celery's prefork worker, with our marks around it."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from billiard import current_process
from celery import signals

from orchestrator.celery_app import canary, progress
from orchestrator.celery_app.app import make_app
from orchestrator.celery_app.heartbeat import Heartbeat
from orchestrator.celery_app.restore import Restorer, transport_options
from orchestrator.celery_app.runtime import node_name
from orchestrator.celery_app.taking import be_patient
from orchestrator.core.imports import uncollected
from orchestrator.core.version import VERSION
from orchestrator.nodes.registry import Node

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
    with uncollected():
        app.loader.import_default_modules()
    facts = _facts(context)
    board = progress.Board(facts["slots"])
    restorer = _restorer(app, context, facts)
    heartbeat = Heartbeat(app, context, facts, board, restorer)
    stopping = context.home.run / f"{context.service}.stopping"
    stopping.unlink(missing_ok=True)

    def ready(sender: Any, **_: Any) -> None:
        facts["tasks"] = sorted(name for name in app.tasks if not name.startswith("celery."))
        heartbeat.watch(sender)
        app.send_task("sites.tasks.tick", expires=30, ignore_result=True)

    def shutting_down(**_: Any) -> None:
        stopping.touch()
        heartbeat.stop()

    def child_ends(exitcode: int, **_: Any) -> None:
        if stopping.exists():  # nobody hears of it any more, and billiard would wait for that 1 s
            os._exit(exitcode)

    quieten()
    signals.worker_process_shutdown.connect(child_ends, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(shutting_down, weak=False)
    show_progress(board)
    be_patient()
    _main(app, facts, context.settings.worker.of(context.service).recycle_mb)


def show_progress(board: progress.Board) -> None:
    """Let each child of the pool give signs on `board`: one when a task begins, and what it adds."""

    def forked(**_: Any) -> None:
        progress.take_place(board, getattr(current_process(), "index", -1))

    def begins(**_: Any) -> None:
        progress.sign()

    signals.worker_process_init.connect(forked, weak=False)
    signals.task_prerun.connect(begins, weak=False)


def quieten() -> None:
    """Keep the canary, two lines every 2 s, out of the log."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(
            lambda record: f"{canary.NAME}[" not in str(record.getMessage())
        )


def _facts(context: Context) -> dict[str, Any]:
    node = node_name(context)
    worker = context.settings.worker.of(context.service)
    return {
        "node": node,
        "version": VERSION,
        "takes": list(worker.queues),
        "queues": [context.keys.queue_name(name) for name in (*worker.queues, f"node.{node}")],
        "slots": worker.slots(),
    }


def _restorer(app: Celery, context: Context, facts: dict[str, Any]) -> Restorer:
    """Keep apart what this worker takes, and have what its earlier start had taken brought back."""
    own = transport_options(context.keys, facts["node"])
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **own}
    app.conf.worker_consumer = "orchestrator.celery_app.consumer:WorkerConsumer"
    node = Node(facts["node"], facts["slots"], 0, tuple(facts["takes"]))
    restorer = app.restorer = Restorer(app, context, node)
    return restorer


def _main(app: Celery, facts: dict[str, Any], recycle_mb: int) -> None:
    # Not by Celery's command line: all of its commands take longer to import than the worker.
    app.Worker(
        hostname=facts["node"],
        pool_cls="prefork",
        concurrency=facts["slots"],
        queues=facts["queues"],
        # Between two tasks, so between two slices: never within.
        max_memory_per_child=recycle_mb * 1000 or None,
        without_mingle=True,
        without_gossip=True,
        loglevel="INFO",
    ).start()
