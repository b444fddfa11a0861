"""The context of the process that a task runs in: made after the fork, never carried across it."""

from __future__ import annotations

import os
import platform

from orchestrator.core.context import Context

_contexts: dict[int, Context] = {}


def task_context() -> Context:
    """Return this process's context, read from `$ORCH_HOME` at first use."""
    pid = os.getpid()
    if pid not in _contexts:
        _contexts.clear()
        _contexts[pid] = Context.load(os.environ["ORCH_HOME"], services=False)
    return _contexts[pid]


def node_name(context: Context) -> str:
    """Return the name of this worker among all workers on its Redis: of its home, service and machine."""
    host = platform.node() or "localhost"
    return f"orch-{context.home.identity()[:8]}-{context.service}@{host}"
