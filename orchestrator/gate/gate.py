"""The gate before every request: may it go now, and if not, when?"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Self

from orchestrator.core import errors
from orchestrator.core.clock import SYSTEM, Clock, Deadline
from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.resp import ReplyError
from orchestrator.gate.keeper import Keeper
from orchestrator.gate.pacer import Pacer
from orchestrator.gate.passage import Permit
from orchestrator.gate.permit import Ask, Reason, Refused, Report, Verdict
from orchestrator.gate.standings import CLOSED_TO_ALL_S, Standings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import TracebackType

    from orchestrator.gate.limits import Limits
    from orchestrator.gate.permit import Grant
    from orchestrator.gate.store import GateStore

#: Who stands in line for a slot asks again so often, also uncalled, in seconds.
LINE_LOOK_S = 0.25
#: Who has slept longer for his turn looks first whether the site has closed meanwhile, in seconds.
SLEPT_LONG_S = 0.1

#: Nobody books further ahead, in seconds: who has longer books when it is near.
FURTHEST_S = 30 * 86_400.0

#: What need not be told.
NOTHING = Report(Verdict.NEUTRAL)

#: Nobody waits for what comes of these: the site stands as before.
_TELL_NOTHING = (Verdict.OK, Verdict.NEUTRAL)

_ERRORS = {
    Reason.RATE: errors.RateLimited,
    Reason.PAUSE: errors.Paused,
    Reason.BREAKER: errors.BreakerOpen,
    Reason.SLOT: errors.NoSlot,
}


class Gate:
    """The gate of all sites. `limits` tells what a site allows, and may tell something else later.

    >>> with gate.enter("books", "https://books.example/a", deadline=30) as permit:  # doctest: +SKIP
    ...     answer = ask_the_site()
    ...     permit.ok() if answer.status == 200 else permit.failed()

    Safe for threads and forks. Use one for each process, and close it at the end; the store is closed with
    it, unless others use that too (`closes_store`).
    """

    def __init__(
        self,
        store: GateStore,
        limits: Callable[[str], Limits],
        clock: Clock = SYSTEM,
        *,
        closes_store: bool = True,
    ) -> None:
        self._store = store
        self._closes_store = closes_store
        self._limits = limits
        self._clock = clock
        self._standings = Standings(store, clock)
        self._keeper = Keeper(store, clock)
        self._pacer = Pacer(clock)

    def enter(self, site: str, host: str, deadline: Deadline | float) -> Permit:
        """Wait until a request to `host` (a host, or a URL) may be made; `deadline` may be seconds.

        Raises:
            Refused: RateLimited, Paused, BreakerOpen or NoSlot, as soon as the deadline would pass first.
            RedisUnavailable: the store has no answer, and none takes its place.
        """
        called = threading.Event()
        steps = self.steps(site, host, deadline, called.set)
        try:
            while True:
                called.wait(next(steps))
                called.clear()
        except StopIteration as found:
            permit: Permit = found.value
            return permit
        finally:
            steps.close()

    def try_enter(self, site: str, host: str, max_wait: float = 0.0) -> Permit | Refused:
        """Answer at once. A permit whose `wait_s` (at most `max_wait`) is not 0 is for that time.

        Raises:
            RedisUnavailable: the store has no answer, and none takes its place.
        """
        limits = self._limits(site)
        if max_wait <= 0 and (known := self._standings.known(site)):
            return known
        return self._admit(self._ask(site, host, limits, _us(max_wait)), limits)

    def look(self, site: str) -> Refused | None:
        """Tell at once whether the breaker of a site is open or the site paused; None: neither.

        A hint that is at most 50 ms old: what does not refuse need not admit.
        """
        return self._standings.refusal(site)

    def steps(
        self, site: str, host: str, deadline: Deadline | float, call: Callable[[], None]
    ) -> Generator[float, None, Permit]:
        """Entering as steps, for whoever waits by other means: each yields for how long to wait, in s.

        The wait may end early when `call` is called. Closing the generator gives everything back.
        """
        until = (
            deadline if isinstance(deadline, Deadline) else Deadline.after(deadline, self._clock)
        )
        limits = self._limits(site)
        ask = self._ask(site, host, limits)
        stop: Callable[[], None] | None = None
        try:
            while True:
                limits = self._limits(site)
                ask = ask._replace(max_wait_us=_us(until.remaining()))
                answer = self._standings.known(site) or self._admit(ask, limits)
                if isinstance(answer, Permit):
                    ask = ask._replace(since=0)  # it left the line
                    if (yield from self._due(answer, limits.burst)):
                        return answer
                    continue
                ask = ask._replace(since=answer.since)
                _give_up(ask, answer, until)
                if answer.reason is not Reason.SLOT:
                    yield until.cap(_nap(answer))
                elif stop is None:  # listen first and ask then, so that no call is missed
                    stop = self._store.on_call(ask, call)
                    ask = ask._replace(queues=True)
                else:
                    yield until.cap(LINE_LOOK_S)
        finally:
            if stop is not None:
                stop()
            if ask.since:
                with contextlib.suppress(RedisUnavailable):  # the line forgets the dead
                    self._store.quit(ask, limits)

    def close(self) -> None:
        """End what runs behind it, and its store. Slots that are held free themselves in time."""
        self._keeper.close()
        if self._closes_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, site: str, host: str, limits: Limits, max_wait_us: int = 0) -> Ask:
        key = limits.host_key(host)
        return Ask(site, key, self._store.holder(key), max_wait_us)

    def _admit(self, ask: Ask, limits: Limits) -> Permit | Refused:
        try:
            answer = self._store.enter(ask, limits)
            if isinstance(answer, Refused):
                self._standings.refused(ask.site, answer)
                return answer
            permit = Permit(answer, self._leave, self._clock)
            self._keeper.use(permit, limits, held=answer.holds(limits))
        except RedisUnavailable:
            raise
        except BaseException:  # Ctrl+C before the answer was read: it may have been yes
            with contextlib.suppress(RedisUnavailable):
                self._store.quit(ask, limits)
            raise
        return permit

    def _due(self, permit: Permit, burst: int) -> Generator[float, None, bool]:
        """Wait until it is due; give it back if the site has closed meanwhile, which False tells."""
        due = self._clock.monotonic() + permit.wait_s
        try:
            while (rest := due - self._clock.monotonic()) > 0:
                yield rest
            if permit.wait_s < SLEPT_LONG_S or self._standings.still_lets(permit.grant):
                yield from self._paced(permit.grant, burst)
                return True
        except BaseException:
            permit.unused()
            permit.close()
            raise
        permit.unused()
        permit.close()
        return False

    def _paced(self, grant: Grant, burst: int) -> Generator[float]:
        """Wait behind those of this process that were late."""
        if grant.interval_us:
            late = self._pacer.wait(grant.ask.site, grant.interval_us / 1e6, burst)
            until = self._clock.monotonic() + late
            while (rest := until - self._clock.monotonic()) > 0:
                yield rest

    def _leave(self, permit: Permit, report: Report) -> None:
        limits = self._limits(permit.site)
        if report != NOTHING or permit.grant.holds(limits):
            try:
                if report.verdict in _TELL_NOTHING and not permit.trial:
                    self._store.post(permit.grant, report, limits)
                else:
                    standing = self._store.leave(permit.grant, report, limits)
                    self._standings.heard(permit.site, standing)
            except RedisUnavailable as error:  # then the slot frees itself
                if isinstance(error, ReplyError) and not error.passes:
                    raise
        self._keeper.drop(permit)  # not before: what was broken off is given back by the keeper


def _give_up(ask: Ask, refused: Refused, until: Deadline) -> None:
    """Raise what refused when waiting for it leads nowhere before the deadline."""
    hopeless = refused.reason is not Reason.SLOT and refused.wait_s > until.remaining()
    if hopeless or until.passed:
        raise _ERRORS[refused.reason](f"{ask.site}: {refused.reason}", refused.wait_s)


def _nap(refused: Refused) -> float:
    """For how long to leave the gate alone; somebody may close a breaker or end a pause by hand."""
    by_hand = refused.reason in (Reason.BREAKER, Reason.PAUSE)
    return min(refused.wait_s, CLOSED_TO_ALL_S) if by_hand else refused.wait_s


def _us(seconds: float) -> int:
    return round(min(seconds, FURTHEST_S) * 1_000_000)
