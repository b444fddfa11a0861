"""Runners in processes of their own, to be stopped and killed: each job leaves a line in a file."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.open import open_queue
from orchestrator.queue.pipeline import Pipelines, Task
from orchestrator.queue.runner import Runner

#: Forks from a process that has imported all this already: a start costs milliseconds.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["tests.support.runner_child", "orchestrator.queue.sqlite"])


@dataclass(frozen=True)
class Book:
    """A file to which any number of processes append whole lines of JSON."""

    path: Path

    def write(self, **fields: Any) -> None:
        book = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(book, (json.dumps(fields) + "\n").encode())
        finally:
            os.close(book)

    def lines(self, what: str | None = None) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        found = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [line for line in found if what in (None, line["what"])]


@dataclass(frozen=True)
class Child:
    """What a runner process is to do; its pipeline does as the payload says.

    `{"for": seconds}`: take so long; `{"until": path}`: run until that file is there.
    """

    target: str
    book: Book
    config: dict[str, Any]
    drain: bool = True
    pipelines: dict[str, Any] = field(default_factory=dict)

    def start(self) -> BaseProcess:
        process: BaseProcess = SERVER.Process(target=self.run, daemon=True)
        process.start()
        return process

    def run(self) -> None:
        runner = Runner(
            open_queue(self.target),
            Pipelines({"mine": self.pipeline}, "mine"),
            RunnerConfig(**self.config),
            folder=self.book.path.parent,
            drain=self.drain,
            on_event=lambda name, /, **more: self.book.write(what=name, pid=os.getpid(), more=more),
        )
        runner.run()

    def pipeline(self, task: Task) -> Any:
        self.book.write(
            what="run",
            id=task.id,
            attempt=task.lease.attempt,
            pid=os.getpid(),
            at=time.monotonic(),
        )
        payload = task.payload
        time.sleep(payload.get("for", 0))
        while "until" in payload and not Path(payload["until"]).exists():
            time.sleep(0.01)
        return {"id": task.id, "attempt": task.lease.attempt, "pid": os.getpid()}
