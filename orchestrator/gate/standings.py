"""What this process knows of breakers, so that it need not ask each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.gate.permit import BreakerState, Reason, Refused

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock
    from orchestrator.gate.permit import Grant, Standing
    from orchestrator.gate.store import GateStore

#: That nothing is in the way is believed for so long, in seconds.
CLEAR_S = 0.05
#: That a breaker is open is believed until it may be tried; that somebody reset it is seen after this.
CLOSED_TO_ALL_S = 1.0


class Standings:
    """The last known standing of each site: open or paused until when, or clear."""

    def __init__(self, store: GateStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # site -> believed until, open or paused until, and for what; by the monotonic clock.
        self._known: dict[str, tuple[float, float, Reason | None]] = {}

    def refusal(self, site: str) -> Refused | None:
        """Tell what is in the way, as known, or as the store says if that is too long ago."""
        now = self._clock.monotonic()
        believed, until, reason = self._known.get(site, (0.0, 0.0, None))
        if now >= believed:
            self.heard(site, self._store.look(site))
            _, until, reason = self._known[site]
        return Refused(reason, max(0.0, until - now)) if reason else None

    def known(self, site: str) -> Refused | None:
        """Tell what is known to be in the way, without asking the store."""
        believed, until, reason = self._known.get(site, (0.0, 0.0, None))
        now = self._clock.monotonic()
        return Refused(reason, until - now) if reason and now < min(believed, until) else None

    def still_lets(self, grant: Grant) -> bool:
        """Tell whether what was let pass a while ago may be made now, as known or as the store says.

        The site may have closed meanwhile; and while it is half-open nobody goes but who tries.
        """
        site = grant.ask.site
        believed, _, reason = self._known.get(site, (0.0, 0.0, None))
        if not grant.trial and self._clock.monotonic() < believed:
            return reason is None
        standing = self._store.look(site)
        self.heard(site, standing)
        if standing.state is BreakerState.HALF_OPEN:
            return grant.trial and grant.epoch == standing.epoch
        return standing.reason is None

    def heard(self, site: str, standing: Standing) -> None:
        """Remember what the store said."""
        now = self._clock.monotonic()
        until = now + standing.rest_s
        shut = standing.reason is not None and standing.state is not BreakerState.HALF_OPEN
        believed = min(until, now + CLOSED_TO_ALL_S) if shut else now + CLEAR_S
        if standing.state is BreakerState.HALF_OPEN:
            believed = now  # it may change with any request
        self._known[site] = (believed, until, standing.reason if shut else None)

    def refused(self, site: str, refused: Refused) -> None:
        """Remember that the store refused."""
        if refused.reason in (Reason.BREAKER, Reason.PAUSE):
            now = self._clock.monotonic()
            until = now + refused.wait_s
            self._known[site] = (min(until, now + CLOSED_TO_ALL_S), until, refused.reason)
