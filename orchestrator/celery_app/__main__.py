"""`python -m orchestrator.celery_app worker|beat`: how the supervisor starts them."""

from __future__ import annotations

import sys
from importlib import import_module

from orchestrator.celery_app.runtime import task_context
from orchestrator.core.errors import OrchError
from orchestrator.core.imports import uncollected

#: Module and function of each. Only that module is imported: it is most of the time of a start.
ROLES = {
    "worker": ("orchestrator.celery_app.worker", "run_worker"),
    "beat": ("orchestrator.celery_app.beat", "run_beat"),
}


def main() -> int:
    """Run the role that the command line names; return the exit code."""
    module, function = ROLES[sys.argv[1]]
    with uncollected():
        run = getattr(import_module(module), function)
    try:
        run(task_context())
    except OrchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
