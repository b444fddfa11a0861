"""The breaker alone, for calls that need neither a turn nor a slot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.errors import BreakerOpen
from orchestrator.gate.gate import Gate
from orchestrator.gate.permit import Ask, BreakerState, Grant, Refused, Report, Verdict
from orchestrator.gate.standings import CLEAR_S, CLOSED_TO_ALL_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.gate.limits import Limits
    from orchestrator.gate.permit import Standing
    from orchestrator.gate.store import GateStore

T = TypeVar("T")

#: A breaker is the site's, whatever its hosts.
_HOST = "any"


class Guard:
    """Calls go through while the breaker of `site` is closed; what they raise counts as its failures.

    That it is closed is believed for 50 ms, so most calls cost no round trip. What went well is counted
    here and told along with the next question; a failure is told at once, and its answer tells whether
    the breaker is open now. Half-open, the calls of all processes together are as many trials as `limits`
    say. Safe for threads.

    >>> guard = Guard(LocalStore(), "payments", Limits(rate=0))  # doctest: +SKIP
    >>> guard.call(lambda: 42)  # doctest: +SKIP
    42
    """

    def __init__(self, store: GateStore, site: str, limits: Limits, clock: Clock = SYSTEM) -> None:
        self._store = store
        self._site = site
        self._limits = replace(limits, rate=0.0, slots=0, host_rate=0.0, host_slots=0, rate_min=0.0)
        self._clock = clock
        self._monotonic = clock.monotonic
        self._gate = Gate(store, lambda _: self._limits, clock, closes_store=False)
        self._clear_until = self._shut_until = 0.0
        self._asked_again_at = 0.0
        self._epoch = 0
        # Two threads may count one call as one: that only weighs the ratio.
        self._oks = 0

    def call(self, work: Callable[[], T]) -> T:
        """Return what `work` returns; whatever Exception it raises is a failure of the site.

        Raises:
            BreakerOpen: it was not called.
            RedisUnavailable: the store has no answer, and none takes its place.
        """
        if self._monotonic() >= self._clear_until:
            state = self._ask()
            if state is BreakerState.HALF_OPEN:
                return self._try(work)
        epoch = self._epoch
        try:
            result = work()
        except Exception:
            self._failed(epoch)
            raise
        self._oks += 1
        return result

    def close(self) -> None:
        """End what runs behind it; the store is its caller's, who may have other guards at it."""
        self._gate.close()

    def _ask(self) -> BreakerState:
        now = self._monotonic()
        if now < min(self._shut_until, self._asked_again_at):
            raise BreakerOpen(self._site, self._shut_until - now)
        oks, self._oks = self._oks, 0
        standing = self._store.tally(self._site, oks, self._limits)
        self._heard(standing)
        if standing.state is BreakerState.OPEN:
            raise BreakerOpen(self._site, standing.rest_s)
        return standing.state

    def _try(self, work: Callable[[], T]) -> T:
        """Make one of the calls that decide."""
        answer = self._gate.try_enter(self._site, _HOST)
        if isinstance(answer, Refused):
            raise BreakerOpen(self._site, answer.wait_s)
        with answer:
            return work()

    def _failed(self, epoch: int) -> None:
        """Tell it, behind those that went well: without them it would weigh too much."""
        if self._oks:
            oks, self._oks = self._oks, 0
            self._store.tally(self._site, oks, self._limits)
        ask = Ask(self._site, _HOST, self._store.holder(_HOST))
        told = Grant(ask, 0, 0, 0, epoch, trial=False)
        self._heard(self._store.leave(told, Report(Verdict.FAILURE), self._limits))

    def _heard(self, standing: Standing) -> None:
        now = self._monotonic()
        closed = standing.state is BreakerState.CLOSED
        self._epoch = standing.epoch
        self._clear_until = now + CLEAR_S if closed else 0.0
        self._shut_until = now + standing.rest_s if not closed else 0.0
        self._asked_again_at = now + CLOSED_TO_ALL_S
