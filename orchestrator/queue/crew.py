"""The threads that pipelines run in."""

from __future__ import annotations

import itertools
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

from orchestrator.queue.verdict import perform

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.clock import Clock
    from orchestrator.queue.holdings import Held, Holdings
    from orchestrator.queue.pipeline import Pipelines


class Crew:
    """So many threads, while the `with` block lasts; `back` is called whenever one has come back.

    None of them touches the store. They are daemons: a pipeline that never returns holds up nobody.
    """

    def __init__(
        self,
        size: int,
        pipelines: Pipelines,
        holdings: Holdings,
        clock: Clock,
        back: Callable[[], object],
    ) -> None:
        self._size = size
        self._pipelines = pipelines
        self._holdings = holdings
        self._clock = clock
        self._back = back
        self._inbox: SimpleQueue[Held | None] = SimpleQueue()
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        for _ in range(self._size):
            self.add()
        return self

    def __exit__(self, *_exc: object) -> None:
        for _ in range(self._size):
            self._inbox.put(None)

    def add(self) -> None:
        """Start one more thread: one is given up."""
        name = f"queue-worker-{next(self._numbers)}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def hand(self, held: Held) -> None:
        """Have the next free thread do it."""
        self._inbox.put(held)

    def _run(self) -> None:
        while (held := self._inbox.get()) is not None:
            if not self._holdings.begin(held, self._clock.monotonic()):
                continue  # it was given back in the meantime, or may be lost
            verdict = perform(self._pipelines, held.task)
            if not self._holdings.come_back(held, verdict, self._clock.monotonic()):
                return  # too late: another thread has the place
            self._back()
