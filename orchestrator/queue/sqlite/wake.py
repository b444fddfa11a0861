"""How somebody who has nothing to do learns of new work, by whatever process."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.changes import Changes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.core.clock import Deadline

#: Seconds between two looks, which take microseconds, while somebody may be writing: at first, later.
GAP_S, LOOK_S = 0.001, 0.015
#: What is written can be seen only when it is on the disk, and of that nobody tells: so long we look.
WRITING_S = 0.15


@dataclass(slots=True)
class Watch:
    """What a thread knows of the writes of others; `changes` is None where nobody tells of them."""

    changes: Changes | None
    looks: int = 0
    quiet_at: float = 0.0

    def pause(self, now: float) -> float:
        """How long to wait before the next look; 0: until something is written."""
        if self.changes is None:
            return LOOK_S
        if self.looks and now >= self.quiet_at:
            return 0.0
        if not self.looks:
            self.quiet_at = now + WRITING_S
        self.looks += 1
        return min(LOOK_S, GAP_S * 2.0 ** min(self.looks - 1, 10))

    def written(self) -> None:
        """Somebody has written: it can be seen soon."""
        self.looks = 0


class Wake:
    """What the last `lease` of a store knew of, and who waits for more; every write goes to `log`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._known: int | None = None
        self.forget()

    def forget(self) -> None:
        """In a child of a fork: nobody waits, whatever the lock says."""
        self._changed = threading.Condition()
        self._told = 0
        self.rest()

    def rest(self) -> None:
        """Hold no file open until somebody waits again."""
        self._here = threading.local()

    def leased(self, arrivals: int) -> None:
        """All work up to here has been looked at."""
        self._known = arrivals

    def came(self) -> None:
        """Tell whoever waits in this process."""
        with self._changed:
            self._told += 1
            self._changed.notify_all()

    def wait(self, look: Callable[[], tuple[int, bool]], deadline: Deadline) -> bool:
        """Tell whether there is new work before the deadline.

        `look` tells how often work came, and whether there is any.
        """
        while True:
            watch, told = self._watch(), self._told
            if self._is_new(*look()):
                return True
            if deadline.passed:
                return False
            pause = watch.pause(deadline.clock.monotonic())
            if pause == 0.0 and watch.changes is not None:
                if watch.changes.wait(deadline.remaining()):
                    watch.written()
                continue
            with self._changed:
                if told == self._told:  # else it came while we looked
                    self._changed.wait(deadline.cap(pause))

    def _watch(self) -> Watch:
        watch: Watch | None = getattr(self._here, "watch", None)
        if watch is None or watch.changes is None or watch.changes.over:
            watch = self._here.watch = Watch(Changes.of(self._log))
        return watch

    def _is_new(self, arrivals: int, there_is: bool) -> bool:  # noqa: FBT001  (a row of the file)
        if self._known is None and not there_is:
            self._known = arrivals
        return arrivals != self._known
