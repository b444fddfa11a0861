"""The service `beat`: one separate scheduler, whose mark shows that its loop turns."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, Any

from celery.beat import Scheduler

from orchestrator.celery_app.app import make_app
from orchestrator.celery_app.runtime import task_context
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import Busy
from orchestrator.core.mark import Mark

if TYPE_CHECKING:
    from orchestrator.core.context import Context

MARK_EVERY_S = 2.0


class MarkingScheduler(Scheduler):  # type: ignore[misc]
    """Celery's in-memory scheduler (nothing on disk that a kill could spoil), with our mark."""

    _marked_at = float("-inf")

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Write the mark, then let Celery send what is due; return seconds until the next tick."""
        if SYSTEM.monotonic() - self._marked_at >= MARK_EVERY_S:
            self._marked_at = SYSTEM.monotonic()
            context = task_context()
            Mark.of_this_process(context.home.mark(context.service)).write()
        self._heed_the_clock()
        wait: float = super().tick(*args, **kwargs)
        return wait

    def _heed_the_clock(self) -> None:
        """After the wall clock was set back, count from now: a last run lies in no future."""
        now = self.app.now()
        for entry in self.schedule.values():
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # Celery makes it again


def run_beat(context: Context) -> None:
    """Run the scheduler in this process until it is told to stop.

    Raises:
        Busy: another beat of this home runs; two would send everything twice.
    """
    with (context.home.run / "beat.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy("another beat of this home runs already") from error
        make_app(context).start(["beat", "--loglevel", "INFO"])
