"""`python -m orchestrator.celery_app worker|beat`: how the supervisor starts them."""

from __future__ import annotations

import sys

from orchestrator.celery_app.beat import run_beat
from orchestrator.celery_app.runtime import task_context
from orchestrator.celery_app.worker import run_worker
from orchestrator.core.errors import OrchError

ROLES = {"worker": run_worker, "beat": run_beat}


def main() -> int:
    """Run the role that the command line names; return the exit code."""
    try:
        ROLES[sys.argv[1]](task_context())
    except OrchError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
