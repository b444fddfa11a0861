"""A runner in a process of its own, until its stdin is closed: `python -m tests.bench.queue_runner FILE`.

It prints for each job how long ago that was added, in milliseconds.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.open import open_queue
from orchestrator.queue.pipeline import Pipelines, Task
from orchestrator.queue.runner import Runner


def stamp(task: Task) -> None:
    now = time.monotonic()
    if "at" in task.payload:
        os.write(1, f"{1000 * (now - task.payload['at'])}\n".encode())


def main(target: str) -> None:
    pipelines = Pipelines({"stamp": stamp}, "stamp")
    with (
        open_queue(target) as queue,
        Runner(queue, pipelines, RunnerConfig(), folder=Path(target).parent) as runner,
    ):
        os.write(1, b"ready\n")
        while word := sys.stdin.readline():
            os.write(1, f"{word.strip()} {runner.status}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
