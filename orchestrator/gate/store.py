"""What keeps the state of all gates: a Redis for many processes, or the memory of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orchestrator.gate.limits import Limits
    from orchestrator.gate.permit import Ask, Grant, Refused, Report, Standing


#: How often a process says that it uses a gate, in seconds, and after how long without that it does not.
BEAT_S = 1.0
USER_TTL_S = 5.0


class GateStore(Protocol):
    """Decides and remembers; each verb is atomic, by one clock, and may be called by any thread.

    Raises:
        RedisUnavailable: the store did not answer; nothing is known of what was asked.
    """

    def enter(self, ask: Ask, limits: Limits) -> Grant | Refused:
        """Let `ask` pass if breaker, slot and rate allow it within `max_wait_us`; else write nothing.

        In this order: an open breaker refuses, then a missing slot, then the rate. Only a place in the
        line for slots is written on a refusal, if `ask.queues`. Whoever was in line before goes first.
        """
        ...

    def leave(self, grant: Grant, report: Report, limits: Limits) -> Standing:
        """Give the slot back, hear the report, call those who wait; say how the breaker stands now.

        A report of an epoch that is over says nothing about this one.
        """
        ...

    def post(self, grant: Grant, report: Report, limits: Limits) -> None:
        """Leave without waiting for it: for reports after which the site stands as before.

        It is on its way: the slot may be free a moment later than this returns. Where that is lost, it is
        free with the next call, or with the next beat.
        """
        ...

    def quit(self, ask: Ask, limits: Limits) -> None:
        """Give up the place in line, and whatever was granted: the answer may have been lost."""
        ...

    def renew(self, grants: Sequence[Grant], limits: Callable[[str], Limits]) -> list[Grant]:
        """Extend the leases of all that have not run out; return those that have.

        Where nothing limits how many go at once nobody has a slot, and nothing to lose.
        """
        ...

    def holder(self, host: str) -> str:
        """Return a name for a request that was never used before."""
        ...

    def look(self, site: str) -> Standing:
        """Say how the breaker of a site stands; a read."""
        ...

    def tally(self, site: str, oks: int, limits: Limits) -> Standing:
        """Hear that so many requests went well; say how the breaker stands."""
        ...

    def pause(self, site: str, seconds: float) -> None:
        """Let nobody go to a site for so long."""
        ...

    def beat(self, sites: Collection[str]) -> None:
        """Say that this process lives and uses the gates of `sites`; called every `BEAT_S`."""
        ...

    def on_call(self, ask: Ask, call: Callable[[], None]) -> Callable[[], None]:
        """Have `call` called (by any thread) when it is the turn of `ask`; return what ends that."""
        ...

    def close(self) -> None:
        """Let go of all connections; another call opens them again."""
        ...
