"""A runner over a queue in memory, and what a test gives it to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from orchestrator.core.errors import Unavailable
from orchestrator.queue.config import RunnerConfig
from orchestrator.queue.model import NewJob
from orchestrator.queue.pipeline import Pipelines, Task
from orchestrator.queue.runner import Runner
from tests.support.memory_queue import MemoryStore, queue_over

#: No lease runs out because a machine stands still for some seconds: who needs that says so.
QUICK = {
    "lease_ttl_seconds": 60,
    "heartbeat_seconds": 0.1,
    "retry_backoff_seconds": 0,
    "jitter_seconds": 0,
}


class Gate:
    """A pipeline that runs until it is let go, or told that there is no use in going on."""

    def __init__(self, *, stubborn: bool = False) -> None:
        self.opened = threading.Event()
        self.stubborn = stubborn
        self.running: list[str] = []
        self.told: list[str] = []

    def __call__(self, task: Task) -> Any:
        self.running.append(task.id)
        while not self.opened.wait(0.01):
            if task.over.is_set() and task.id not in self.told:
                self.told.append(task.id)
                if not self.stubborn:
                    return "half done"
        return task.id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.set()


class Picky:
    """A store that does not take what becomes of job 3, by the verbs that are named."""

    def __init__(self, store: MemoryStore, *verbs: str, error: Exception) -> None:
        self.wanted = True
        self.refused = 0
        for verb in verbs:
            setattr(store, verb, self._picky(getattr(store, verb), error))

    def _picky(self, real: Callable[..., Any], error: Exception) -> Callable[..., Any]:
        def verb(token: str, state: Any, **fields: Any) -> Any:
            refused = self.wanted and token.endswith(".3")
            if refused and (state == "done" or isinstance(error, Unavailable)):
                self.refused += 1
                raise error
            return real(token, state, **fields)

        return verb


def runner(store: MemoryStore, pipeline: Callable[[Task], Any], **options: Any) -> Runner:
    config = options.pop("config", {})
    more = {
        name: options.pop(name) for name in ("drain", "wait_delayed", "on_event") if name in options
    }
    pipelines = Pipelines({"mine": pipeline}, "mine")
    return Runner(
        queue_over(store),
        pipelines,
        RunnerConfig(**{**QUICK, **config, **options}),
        folder=Path(),
        **more,
    )


def fill(store: MemoryStore, n: int, **fields: Any) -> None:
    store.enqueue([NewJob(str(number), **fields) for number in range(n)])


def took(step: Callable[[], object]) -> float:
    began = time.monotonic()
    step()
    return time.monotonic() - began
