"""Until when a refresh is waited for: a deadline that was given, or one that goes with what is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock, Deadline
from proxies.refresh import chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxies.refresh.progress import Progress


class Limit:
    """`deadline` holds now.

    With `left` (seconds that checking should still take) it is computed anew whenever the refresh gets
    on: one that stands still ends at the deadline of its last progress.
    """

    def __init__(
        self,
        deadline: Deadline,
        left: Callable[[Progress], float] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self.deadline = deadline
        self._left = left
        self._last = Deadline.after(chunk.LONGEST_S, clock)
        self._clock = clock
        self._seen = (0, 0, 0)

    def look(self, seen: Progress) -> None:
        """Take a look at the refresh into account."""
        mark = (seen.checked, seen.completed_chunks, len(seen.begun))
        if self._left is None or mark == self._seen:
            return
        self._seen = mark
        at = self._clock.monotonic() + chunk.budget(self._left(seen))
        self.deadline = Deadline(min(at, self._last.at), self._clock)
