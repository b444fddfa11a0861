"""Was a file made or touched by this start of the service, and is it still?"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestrator.supervise.probes.result import ProbeResult

if TYPE_CHECKING:
    from orchestrator.supervise.service import ProbeSpec

#: What tells two writings of a file apart: inode and time stamp.
Stamp = tuple[int, int] | None


class FileProbe:
    """Looks whether `spec.target` changes; when it did is told by our own clock, never by the wall's."""

    def __init__(self, spec: ProbeSpec) -> None:
        self._spec = spec
        self._last: Stamp = None
        self._changed_at: float | None = None
        self._result: ProbeResult | None = None

    def reset(self, *, fresh: bool) -> None:
        """What is there before a fresh start proves nothing of it."""
        self._last = self._stamp() if fresh else None
        self._changed_at = None

    def begin(self, now: float, launch: str) -> None:  # noqa: ARG002  (a file names no start)
        """Look; the answer is there at once."""
        stamp = self._stamp()
        if stamp is not None and stamp != self._last:
            self._changed_at = now
        self._last = stamp
        self._result = self._judge(stamp, now)

    def poll(self, now: float) -> ProbeResult | None:  # noqa: ARG002  (the answer is there)
        """What `begin` found."""
        return self._result

    def cancel(self) -> None:
        """Nothing is open."""

    def _judge(self, stamp: Stamp, now: float) -> ProbeResult:
        limit = self._spec.max_age_s
        if stamp is None:
            return ProbeResult(ok=False, error=f"{self._spec.target} is not there", absent=True)
        if self._changed_at is None:
            text = f"{self._spec.target} is of an earlier start"
            return ProbeResult(ok=False, error=text, absent=True)
        if limit and now - self._changed_at > limit:
            text = f"{self._spec.target} was not touched for {now - self._changed_at:.0f} s"
            return ProbeResult(ok=False, error=text)
        return ProbeResult(ok=True)

    def _stamp(self) -> Stamp:
        try:
            found = os.stat(self._spec.target)  # noqa: PTH116  (asked every second)
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns
