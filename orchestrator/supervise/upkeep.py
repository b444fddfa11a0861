"""What is looked after now and then while a service runs: the size of its log, and its memory."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from orchestrator.supervise import rotation
from orchestrator.supervise.memory import used_bytes

if TYPE_CHECKING:
    from orchestrator.core.events import EventLog
    from orchestrator.supervise.process import Process
    from orchestrator.supervise.service import ServiceSpec

#: A multiple of every probe's distance, so that it costs no wake-up of its own, in seconds.
EVERY_S = 4.0


class Upkeep:
    """Rotates the log, and tells when there is too much memory in use."""

    def __init__(self, spec: ServiceSpec, events: EventLog) -> None:
        self.used: int | None = None  #: bytes, with all children, when it was last measured
        self._spec = spec
        self._events = events
        self._next_at = 0.0
        self._rotation_failed = False

    def tick(self, now: float, process: Process | None) -> int | None:
        """Look when it is time; return the bytes in use when they are too many."""
        if now < self._next_at:
            return None
        self._next_at = now + EVERY_S
        if rotation.is_due(self._spec.log):
            self._rotate(process)
        limit = self._spec.memory_limit_bytes
        if not limit or process is None:
            return None
        used = self.measure(process)
        return used if used > limit else None

    def measure(self, process: Process) -> int:
        """Return the bytes that a service uses with its children; some milliseconds for many."""
        self.used = used_bytes(process.pid)
        return self.used

    def _rotate(self, process: Process | None) -> None:
        try:
            rotation.rotate(self._spec.log)
        except OSError as error:
            if not self._rotation_failed:
                text = error.strerror
                self._events.write("log.not_rotated", service=self._spec.name, error=text)
            self._rotation_failed = True
            return
        self._rotation_failed = False
        if self._spec.log.reopen and process is not None:
            process.signal(getattr(signal, f"SIG{self._spec.log.reopen}"))
