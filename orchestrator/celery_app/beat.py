"""The service `beat`: one separate scheduler, whose mark shows that its loop turns."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING, Any

from celery.beat import Scheduler

from orchestrator.celery_app.app import make_app
from orchestrator.celery_app.lapses import Lapses
from orchestrator.celery_app.runtime import task_context
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import Busy
from orchestrator.core.mark import Mark
from orchestrator.core.redis import connect

if TYPE_CHECKING:
    from orchestrator.core.context import Context

MARK_EVERY_S = 2.0
#: A Redis that hangs keeps the scheduler for so long at a look, in seconds.
LOOK_TIMEOUT_S = 1.0


class MarkingScheduler(Scheduler):  # type: ignore[misc]
    """Celery's in-memory scheduler (nothing on disk that a kill could spoil), with our mark."""

    _marked_at = float("-inf")
    _lapses: Lapses | None = None

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Write the mark, then let Celery send what is due; return seconds until the next tick."""
        if SYSTEM.monotonic() - self._marked_at >= MARK_EVERY_S:
            self._marked_at = SYSTEM.monotonic()
            context = task_context()
            Mark.of_this_process(context.home.mark(context.service)).write()
        self._heed_the_clock()
        self._heed_the_dead()
        wait: float = super().tick(*args, **kwargs)
        return wait

    def _heed_the_clock(self) -> None:
        """After the wall clock was set back, count from now: a last run lies in no future."""
        now = self.app.now()
        for entry in self.schedule.values():
            if entry.last_run_at > now:
                entry.last_run_at = now
                self._heap = None  # Celery makes it again

    def _heed_the_dead(self) -> None:
        """Have jobs looked after as soon as a shard's lease has run out, not only at the next tick."""
        if self._lapses is None:
            context = task_context()
            client = connect(
                context.config.redis_url, timeout=LOOK_TIMEOUT_S, check=False, retries=0
            )
            self._lapses = Lapses(client, context.keys)
        if self._lapses.new():
            self.apply_entry(self.schedule["tick"], producer=self.producer)


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
        # It sends tasks by name: what they import, it need not.
        make_app(context, include=()).Beat(loglevel="INFO").run()
