"""All that is known of the gate of one site, decided in memory: breaker, then slots, then rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.gate.breaker import Breaker
from orchestrator.gate.memory import Memory
from orchestrator.gate.permit import BreakerState, Grant, Reason, Refused, Standing, Verdict
from orchestrator.gate.rate import Pace, Turns
from orchestrator.gate.slots import Slots

if TYPE_CHECKING:
    from orchestrator.gate.limits import Limits
    from orchestrator.gate.permit import Ask, Report


@dataclass(slots=True)
class Host:
    """What is known of one host of a site that has limits for each."""

    turns: Turns = field(default_factory=Turns)
    slots: Slots = field(default_factory=Slots)
    used: int = 0

    def over(self) -> int:
        """The furthest point in time that it speaks of."""
        return max(self.turns.due, self.slots.leases.over())


@dataclass(slots=True)
class Site:
    """One site. Every call takes `now`, in µs of one clock, and none looks at another."""

    turns: Turns = field(default_factory=Turns)
    pace: Pace = field(default_factory=Pace)
    breaker: Breaker = field(default_factory=Breaker)
    slots: Slots = field(default_factory=Slots)
    hosts: Memory[Host] = field(default_factory=Memory)
    used: int = 0

    def over(self) -> int:
        """The furthest point in time that it speaks of."""
        own = (self.turns.due, self.pace.pause, self.breaker.until, self.slots.leases.over())
        return max(*own, *(host.over() for host in self.hosts.values()))

    def enter(self, ask: Ask, limits: Limits, now: int, fence: int) -> Grant | Refused:
        """See `GateStore.enter`."""
        host = self._host(ask, now) if limits.by_host else None
        rest = self.breaker.wait(ask.holder, now, limits.trials)
        if rest:
            return self._refuse(ask, host, Reason.BREAKER, rest)
        refused = self._wait_for_slot(ask, host, limits, now)
        if refused:
            return refused
        interval = self.pace.interval(limits)
        reason, wait, soon = self._wait_for_turn(host, limits, interval, now)
        if wait > ask.max_wait_us or not soon:
            return self._refuse(ask, host, reason, wait)
        if interval:
            self.turns.book(now + wait, interval)
        grant = self._grant(ask, host, limits, now + wait, now, fence)
        return grant._replace(interval_us=interval)

    def leave(
        self, grant: Grant, report: Report, limits: Limits, now: int, chance: float
    ) -> list[str]:
        """See `GateStore.leave`; return those to be called."""
        ask = grant.ask
        verdict = report.verdict
        host = self._host(ask, now) if limits.by_host else None
        held = self._free(ask.holder, host)
        if verdict is Verdict.UNUSED and held:
            self.turns.give_back(grant.due, grant.interval_us)
            if host and limits.host_rate:
                host.turns.give_back(grant.due, limits.host_interval_us)
        if report.retry_after_s:
            self.pace.stay_away(now + _us(report.retry_after_s))
        if limits.adaptive:
            latency = None if report.latency_s is None else _us(report.latency_s)
            self.pace.hear(verdict, latency, now, limits)
        if self.breaker.hear(ask.holder, grant.epoch, verdict, now, limits):
            self.breaker.open(now, limits, chance)
        return self._next_ones(host, limits, now)

    def quit(self, ask: Ask, limits: Limits, now: int) -> list[str]:
        """See `GateStore.quit`; return those to be called."""
        host = self.hosts.find(ask.host, now)
        self._free(ask.holder, host)
        self._leave_lines(ask.holder, host)
        self.breaker.forget(ask.holder)
        return self._next_ones(host, limits, now)

    def extend(self, grant: Grant, limits: Limits, now: int) -> bool:
        """Renew a lease; tell whether it had not run out."""
        holder, ends = grant.ask.holder, now + limits.lease_us
        ends = self.slots.leases.extend(holder, ends, now)
        host = self.hosts.find(grant.ask.host, now)
        if ends and host:
            host.slots.leases.extend(holder, ends, now)
        if ends:
            self.breaker.extend(holder, ends)
        return bool(ends)

    def standing(self, now: int) -> Standing:
        """How the breaker stands, or until when a pause lasts."""
        state, rest = self.breaker.state(now), self.breaker.until - now
        if state is not BreakerState.CLOSED:
            return Standing(state, self.breaker.epoch, max(0, rest) / 1e6, Reason.BREAKER)
        if self.pace.pause > now:
            return Standing(state, self.breaker.epoch, (self.pace.pause - now) / 1e6, Reason.PAUSE)
        return _closed(self.breaker.epoch)

    def _host(self, ask: Ask, now: int) -> Host:
        """Return what is known of the host; it is remembered only when something is written."""
        return self.hosts.find(ask.host, now) or Host()

    def _wait_for_slot(
        self, ask: Ask, host: Host | None, limits: Limits, now: int
    ) -> Refused | None:
        slots, wait = self.slots, self.slots.wait(ask.holder, now, limits.slots)
        if host and not wait:
            slots, wait = host.slots, host.slots.wait(ask.holder, now, limits.host_slots)
        if not wait:
            return None
        if not ask.queues:
            return self._refuse(ask, host, Reason.SLOT, wait)
        if host and slots is host.slots:
            self.slots.line.leave(ask.holder)
            self.hosts.use(ask.host, host, now)
        elif host:
            host.slots.line.leave(ask.holder)
        return Refused(Reason.SLOT, wait / 1e6, slots.line.stand(ask.holder, ask.since, now))

    def _wait_for_turn(
        self, host: Host | None, limits: Limits, interval: int, now: int
    ) -> tuple[Reason, int, bool]:
        """How long until there is a turn, why, and whether it may be booked so far ahead."""
        tolerance = (limits.burst - 1) * limits.interval_us if limits.burst > 1 else 0
        reason, wait = Reason.RATE, self.turns.wait(now, tolerance) if interval else 0
        if self.pace.pause - now > wait:
            reason, wait = Reason.PAUSE, self.pace.pause - now
        if host and limits.host_rate:
            tolerance = (limits.host_burst - 1) * limits.host_interval_us
            of_host = host.turns.wait(now, tolerance)
            if of_host > wait:
                # A busy host must not hold up the line of the site: who waits for it books when it is near.
                return Reason.RATE, of_host, of_host <= wait + interval
        return reason, wait, True

    def _grant(
        self, ask: Ask, host: Host | None, limits: Limits, at: int, now: int, fence: int
    ) -> Grant:
        holder, ends = ask.holder, at + limits.lease_us
        self.slots.leases.take(holder, ends, now)
        if host:
            if limits.host_rate:
                host.turns.book(at, limits.host_interval_us)
            host.slots.leases.take(holder, ends, now)
            self.hosts.use(ask.host, host, now)
        self._leave_lines(holder, host)
        trial = self.breaker.admit(holder, ends, now)
        return Grant(ask, at - now, fence, at, self.breaker.epoch, trial)

    def _refuse(self, ask: Ask, host: Host | None, reason: Reason, wait: int) -> Refused:
        self._leave_lines(ask.holder, host)
        return Refused(reason, wait / 1e6)

    def _leave_lines(self, holder: str, host: Host | None) -> None:
        if self.slots.line.order:
            self.slots.line.leave(holder)
        if host:
            host.slots.line.leave(holder)

    def _free(self, holder: str, host: Host | None) -> bool:
        if host:
            host.slots.leases.give_back(holder)
        return self.slots.leases.give_back(holder)

    def _next_ones(self, host: Host | None, limits: Limits, now: int) -> list[str]:
        called = self.slots.next_ones(now, limits.slots)
        if host:
            called += host.slots.next_ones(now, limits.host_slots)
        return called


@lru_cache
def _closed(epoch: int) -> Standing:
    """Most of what is ever told: making it anew takes half a µs."""
    return Standing(BreakerState.CLOSED, epoch)


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
