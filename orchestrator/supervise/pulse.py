"""When a service is asked, and what it said last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.supervise.probe import ProbeResult, make_probe

if TYPE_CHECKING:
    import selectors

    from orchestrator.supervise.service import ProbeSpec

#: The first probes of a start are this far apart, in seconds; then each twice the one before.
FIRST_PAUSE_S = 0.004
LONGEST_STARTING_PAUSE_S = 0.1


class Pulse:
    """Asks by one probe: often at first, every `every_s` once the service is ready."""

    def __init__(self, spec: ProbeSpec, selector: selectors.BaseSelector) -> None:
        self.last: ProbeResult | None = None
        self.asked_at = 0.0
        self._spec = spec
        self._probe = make_probe(spec, selector)
        self._asking = False
        self._ask_at = 0.0
        self._pause = FIRST_PAUSE_S

    def restart(self, now: float) -> None:
        """A new start: ask at once, and often."""
        self.cancel()
        self._ask_at, self._pause = now, FIRST_PAUSE_S

    def tick(self, now: float, launch: str) -> ProbeResult | None:
        """Ask when it is time; return an answer when one came."""
        if not self._asking and now >= self._ask_at:
            self._probe.begin(now, launch)
            self._asking, self.asked_at = True, now
        result = self._probe.poll(now) if self._asking else None
        if result is not None:
            self._asking, self.last = False, result
        return result

    def again_soon(self, now: float) -> None:
        """It is still starting: ask again after a short, growing pause."""
        self._ask_at = now + self._pause
        self._pause = min(2 * self._pause, LONGEST_STARTING_PAUSE_S)

    def again_later(self, now: float) -> None:
        """It runs: ask again at the usual distance."""
        self._ask_at = now + self._spec.every_s

    def cancel(self) -> None:
        """Forget what was asked."""
        self._probe.cancel()
        self._asking = False

    @property
    def due(self) -> float:
        """When `tick` must be called at the latest."""
        return self.asked_at + self._spec.timeout_s if self._asking else self._ask_at
