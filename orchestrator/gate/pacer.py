"""The pace of one process at its own end: what a busy machine lets go late does not go in a bunch."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock


class Pacer:
    """Turns are booked by the store's clock; whoever wakes up late for one comes together with the next.

    So those of this process keep their distance here once more. On time, nobody waits: turns of one process
    are some of all, which keep the distance already. Who comes late makes those behind as late, until
    there is a gap. Safe for threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: Site -> when a request may go that begins a burst anew, on our clock.
        self._full_at: dict[str, float] = {}

    def wait(self, site: str, interval_s: float, burst: int) -> float:
        """Return for how long the request that would go now has to wait, in seconds."""
        with self._lock:
            now = self._clock.monotonic()
            full_at = max(now, self._full_at.get(site, 0.0))
            goes_at = max(now, full_at - (burst - 1) * interval_s)
            self._full_at[site] = max(full_at, goes_at) + interval_s
        return goes_at - now
