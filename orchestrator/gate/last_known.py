"""What a process heard last of breakers and pauses: what holds while nobody can tell it anything newer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.gate.permit import BreakerState, Grant, Reason, Refused, Standing

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock

#: A breaker that stays open for want of news is looked at again after this, in seconds.
SHUT_LOOK_S = 1.0


class LastKnown:
    """Sites that were shut or paused when they were heard of last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        #: Sites whose breaker was not closed.
        self._shut: set[str] = set()
        #: site -> until when it was paused (monotonic)
        self._paused: dict[str, float] = {}

    def answered(self, site: str, answer: Grant | Refused) -> None:
        """Hear what somebody who wanted to pass was told."""
        if isinstance(answer, Grant):
            if self._shut and not answer.trial:
                self._shut.discard(site)
        elif answer.reason is Reason.BREAKER:
            self._shut.add(site)
        elif answer.reason is Reason.PAUSE:
            self._paused[site] = self._clock.monotonic() + answer.wait_s

    def heard(self, site: str, standing: Standing) -> None:
        """Hear how a site stands."""
        if standing.state is not BreakerState.CLOSED:
            self._shut.add(site)
            return
        self._shut.discard(site)
        if standing.reason is Reason.PAUSE:
            self._paused[site] = self._clock.monotonic() + standing.rest_s
        else:
            self._paused.pop(site, None)

    def pause(self, site: str, seconds: float) -> None:
        """Hear that nobody may go there for so long."""
        until = self._clock.monotonic() + seconds
        self._paused[site] = max(until, self._paused.get(site, 0.0))

    def rest_s(self, site: str) -> float:
        """How long a site is still paused."""
        return max(0.0, self._paused.get(site, 0.0) - self._clock.monotonic())

    def pauses(self) -> dict[str, float]:
        """How long each of those that are paused still is."""
        rests = {site: self.rest_s(site) for site in list(self._paused)}
        return {site: rest for site, rest in rests.items() if rest > 0}

    def shut(self, site: str) -> bool:
        """Whether the breaker of a site was open, or half-open."""
        return site in self._shut

    def standing(self, site: str, own: Standing) -> Standing:
        """How a site stands, of which this process by itself knows its `own`."""
        if site in self._shut:
            return Standing(BreakerState.OPEN, 0, SHUT_LOOK_S, Reason.BREAKER)
        if own.state is not BreakerState.CLOSED:
            return own
        rest = self.rest_s(site)
        return Standing(BreakerState.CLOSED, own.epoch, rest, Reason.PAUSE if rest else None)
