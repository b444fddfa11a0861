"""When a service is asked, and what it said last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.supervise.probes.kinds import make_probe

if TYPE_CHECKING:
    import selectors

    from orchestrator.supervise.probes.result import ProbeResult
    from orchestrator.supervise.service import ServiceSpec

#: The first probes of a start are this far apart, in seconds; then each twice the one before.
FIRST_PAUSE_S = 0.004
LONGEST_STARTING_PAUSE_S = 0.02
#: A command is a process each time; of an end the kernel tells.
LONGEST_PAUSES_S = {"exec": 0.25, "end": 1.0}


class Pulse:
    """Asks by the probe of readiness, often at first; once it said yes by the one of life, at leisure.

    Leisurely questions of all services fall on the same moments, so that one wake-up serves them all.
    """

    def __init__(self, spec: ServiceSpec, selector: selectors.BaseSelector) -> None:
        self.last: ProbeResult | None = None
        self.asked_at = 0.0
        self._spec = spec
        self._ready = self._probe = make_probe(spec.probe, spec, selector)
        self._alive = make_probe(spec.alive, spec, selector) if spec.alive else self._ready
        self._now = spec.probe
        self._asking = False
        self._ask_at = 0.0
        self._pause = FIRST_PAUSE_S

    def restart(self, now: float, *, fresh: bool) -> None:
        """A new start (`fresh`), or one that runs already: ask at once, and often."""
        self.cancel()
        self._probe, self._now = self._ready, self._spec.probe
        self._ready.reset(fresh=fresh)
        if self._alive is not self._ready:
            self._alive.reset(fresh=fresh)
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
        longest = LONGEST_PAUSES_S.get(self._spec.probe.kind, LONGEST_STARTING_PAUSE_S)
        self._pause = min(2 * self._pause, longest)

    def again_later(self, now: float) -> None:
        """It runs: ask whether it lives, at the usual distance."""
        self._probe, self._now = self._alive, self._spec.alive or self._spec.probe
        every = self._now.every_s
        self._ask_at = (now // every + 1) * every

    def cancel(self) -> None:
        """Forget what was asked."""
        self._probe.cancel()
        self._asking = False

    @property
    def due(self) -> float:
        """When `tick` must be called at the latest."""
        return self.asked_at + self._now.timeout_s if self._asking else self._ask_at
