"""One job in a process of its own: `python -m tests.support.pipeline_process NAME FOLDER ID PAYLOAD`."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.queue.model import Lease
from orchestrator.queue.pipeline import Task, load


def main(name: str, folder: str, job: str, payload: str) -> None:
    sys.stdout.write(repr(load(name)(Task(Lease(job, "1.1.1", payload, 1), Path(folder)))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
