"""What is looked after now and then while a service runs: the size of its log, and its memory."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from orchestrator.supervise import rotation
from orchestrator.supervise.memory import used_bytes
from orchestrator.supervise.rotation import Rotation

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
        self.used_until = 0.0  #: until then it is worth no second look
        self._spec = spec
        self._events = events
        self._next_at = 0.0
        self._rotation: Rotation | None = None
        self._rotation_failed = False
        self._cleared = False
        self._known_pid = 0

    def tick(self, now: float, process: Process | None) -> int | None:
        """Look when it is time; return the bytes in use when they are too many."""
        if now < self._next_at:
            return None
        self._next_at = now + EVERY_S
        if not self._cleared:
            rotation.clear(self._spec.log)
            self._cleared = True
        self._hear_of_rotation()
        if self._rotation is None and rotation.is_due(self._spec.log):
            self._rotate(process)
        limit = self._spec.memory_limit_bytes
        if not limit or process is None:
            return None
        used = self.measure(now, process)
        return used if used > limit else None

    def measure(self, now: float, process: Process) -> int:
        """Return the bytes that a service uses with its children; some milliseconds for many."""
        self.used, self.used_until = used_bytes(process.pid), now + EVERY_S
        return self.used

    def _rotate(self, process: Process | None) -> None:
        if not self._spec.log.reopen:
            self._rotation = Rotation(self._spec.log)
            try:
                self._rotation.start()
            except RuntimeError as error:  # there may be no more threads
                self._rotation = None
                self._heard(str(error))
            return
        if process is not None and process.pid != self._known_pid:
            self._known_pid = process.pid  # it may have begun just now: the signal would end it
            return
        try:
            rotation.rotate(self._spec.log)  # it is only renamed
        except OSError as error:
            self._heard(error.strerror or str(error))
            return
        self._heard("")
        if process is not None:
            process.signal(getattr(signal, f"SIG{self._spec.log.reopen}"))

    def _hear_of_rotation(self) -> None:
        if self._rotation is not None and not self._rotation.is_alive():
            self._heard(self._rotation.error)
            self._rotation = None

    def _heard(self, error: str) -> None:
        """Tell of the first of several failures."""
        if error and not self._rotation_failed:
            self._events.write("log.not_rotated", service=self._spec.name, error=error)
        self._rotation_failed = bool(error)
