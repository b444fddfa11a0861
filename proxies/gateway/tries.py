"""One request's way through up to four upstreams, and what is learnt from each of them.

A fault that the target may be to blame for is held against an upstream only when another one did better
in the end: else a site that is down, or says nonsense, would empty the pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from proxies.gateway.fault import Fault, Kind
from proxies.pool.picker import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxies.gateway.choice import Standing, Want
    from proxies.pool.picker import Lease


class Pick(NamedTuple):
    """An upstream for one try; `lease` is the pool's, of which it was asked for."""

    standing: Standing
    lease: Lease | None = None


class Supply(Protocol):
    """Where upstreams come from, and who is told how they did."""

    def shortage(self, want: Want) -> str:
        """Why there is none, for people."""
        ...

    async def pick(self, want: Want, tried: list[Standing]) -> Pick | None:
        """One that was not tried; its request counts as in flight until `report`."""
        ...

    def has_more(self, want: Want, tried: list[Standing]) -> bool:
        """Whether there is another one that was not tried."""
        ...

    def report(self, pick: Pick, outcome: Outcome, seconds: float | None = None) -> None:
        """Tell what became of it; once for each pick."""
        ...


class _Held(NamedTuple):
    """A fault of which nobody knows yet whose it is."""

    pick: Pick
    fault: Fault
    patience: float  #: so long it would have been waited for
    seconds: float  #: so long it took


class Tries:
    """The tries of one request; `time` is the loop's clock."""

    __slots__ = (
        "_began",
        "_current",
        "_held",
        "_most",
        "_patience",
        "_supply",
        "_time",
        "faults",
        "tried",
        "want",
    )

    def __init__(self, supply: Supply, want: Want, most: int, time: Callable[[], float]) -> None:
        self._supply = supply
        self._most = most
        self._time = time
        self._began = self._patience = 0.0
        self._current: Pick | None = None
        self._held: list[_Held] = []
        self.want = want
        self.tried: list[Standing] = []
        self.faults: list[tuple[Standing, Fault]] = []

    async def next(self) -> Standing | None:
        """The next upstream; None when there is no other one or there were enough."""
        if len(self.tried) >= self._most:
            return None
        pick = self._current = await self._supply.pick(self.want, self.tried)
        if pick is None:
            return None
        self.tried.append(pick.standing)
        self._began = self._time()
        return pick.standing

    def patience(self, most: float) -> float:
        """How long the current one is waited for: for at most `most` seconds, as the last one is.

        A site may be slow, and then no shorter time would do for any of them.
        """
        short = self.tried[-1].patience(most)
        whole = self.want.once or (short < most and not self.more())
        self._patience = most if whole else short
        return self._patience

    @property
    def story(self) -> str:
        """What became of each, for people; empty when there was none to try."""
        told = [f"{standing.record.proxy.masked} {fault}" for standing, fault in self.faults]
        return f"tried {len(told)} upstreams: {'; '.join(told)}" if told else ""

    @property
    def last_fault(self) -> Fault:
        """Why the last one did not do it; or that there was none."""
        return self.faults[-1][1] if self.faults else Fault(Kind.REFUSED, "there is no upstream")

    def more(self) -> bool:
        """Whether `next` would give another one."""
        return len(self.tried) < self._most and self._supply.has_more(self.want, self.tried)

    def failed(self, fault: Fault) -> None:
        """The current one failed."""
        pick, seconds = self._done(), self._time() - self._began
        self.faults.append((pick.standing, fault))
        if fault.its_own:
            self._supply.report(pick, Outcome.FAILED, seconds)
        else:
            self._held.append(_Held(pick, fault, self._patience, seconds))

    def succeeded(self, seconds: float, outcome: Outcome = Outcome.OK) -> None:
        """The current one did its part; its answer began after so many seconds."""
        self._supply.report(self._done(), outcome, seconds)
        for each in self._held:
            # One that was given less time than the good one needed may be as good.
            short = each.fault.kind is Kind.SILENT and each.patience < seconds
            self._supply.report(
                each.pick, Outcome.UNUSED if short else Outcome.FAILED, each.seconds
            )
        self._held.clear()

    def end(self) -> None:
        """Nothing more comes of it: what is still open says nothing, or not whose fault it was."""
        if self._current is not None:
            self._supply.report(self._done(), Outcome.UNUSED)
        for pick, fault, _, seconds in self._held:
            self._supply.report(pick, Outcome.DOUBTED, seconds)
            if fault.kind is Kind.CUT:  # others first, for a while
                pick.standing.failed(self._time())
            elif fault.kind is not Kind.UNABLE:  # one that says so works as such
                pick.standing.doubted()
        self._held.clear()

    def _done(self) -> Pick:
        pick, self._current = self._current, None
        assert pick is not None  # noqa: S101  (`next` set it)
        return pick
