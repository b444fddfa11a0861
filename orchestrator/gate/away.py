"""What the gate does while Redis does not answer.

The policy: a breaker that was open stays open, and a pause holds; everything else goes on in each process
by itself, at its share of the rate and of the slots. There is never no limit at all, and somebody is told.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.resp import ReplyError
from orchestrator.gate.last_known import SHUT_LOOK_S, LastKnown
from orchestrator.gate.permit import Grant, Reason, Refused, Report, Standing, Verdict
from orchestrator.gate.share import share

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from orchestrator.core.clock import Clock
    from orchestrator.gate.limits import Limits
    from orchestrator.gate.local import LocalStore
    from orchestrator.gate.permit import Ask
    from orchestrator.gate.shared import RedisStore

T = TypeVar("T")

#: A server that is away is looked for so often, in seconds.
LOOK_S = 0.25
#: Alone nobody books further ahead, in µs: when the server is back, so long is all that is still to come.
AHEAD_US = 250_000
#: What is asked of the memory of this process has another name than at the server.
_ALONE = "alone."


class FailoverStore:
    """`GateStore` that asks `shared`, and `local` while that is away; `tell(name, facts)` hears of both.

    The first answer after the server went away may take as long as its timeout, every other one nothing.
    `users` processes are assumed to use a gate before any was counted.
    """

    def __init__(
        self,
        shared: RedisStore,
        local: LocalStore,
        tell: Callable[[str, dict[str, object]], None],
        *,
        users: int = 1,
        clock: Clock = SYSTEM,
    ) -> None:
        self._shared = shared
        self._local = local
        self._tell = tell
        self._clock = clock
        self._users = users
        self._known = LastKnown(clock)
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._away = False
        self._since = 0.0
        #: Sites that were asked for since the server went away: their limits, and our share of them.
        self._alone: dict[str, tuple[Limits, Limits]] = {}
        #: What may be held there, and is not wanted any more.
        self._owed: list[tuple[Ask, Limits]] = []

    @property
    def away(self) -> bool:
        """Whether the server does not answer."""
        return not self._forked() and self._away

    def _forked(self) -> bool:
        """Begin anew in a process that was forked off: nobody here looks for the server."""
        forked = self._pid != os.getpid()
        if forked:
            self._begin()
        return forked

    def holder(self, host: str) -> str:
        """See `GateStore`."""
        return self._shared.holder(host)

    def enter(self, ask: Ask, limits: Limits) -> Grant | Refused:
        """See `GateStore`; never fails because the server is away."""
        if not self.away:
            try:
                answer = self._shared.enter(ask, limits)
            except RedisUnavailable as error:
                self._lost(error)
                self._owe(ask, limits)  # a server that hangs may still do it
            else:
                self._known.answered(ask.site, answer)
                return answer
        return self._enter_alone(ask, limits)

    def leave(self, grant: Grant, report: Report, limits: Limits) -> Standing:
        """See `GateStore`. What was held there is given back when the server is."""
        site = grant.ask.site
        if grant.ask.holder.startswith(_ALONE):
            return self._leave_alone(grant, report, self._share(site, limits))
        standing = self._of_server(site, lambda: self._shared.leave(grant, report, limits))
        if standing is not None:
            return standing
        self._owe(grant.ask, limits)
        # Its slot and turn were the server's, and go back nowhere; what it says of the site counts here.
        said = Verdict.NEUTRAL if report.verdict is Verdict.UNUSED else report.verdict
        told = grant._replace(epoch=self._local.look(site).epoch)
        return self._leave_alone(told, report._replace(verdict=said), limits)

    def post(self, grant: Grant, report: Report, limits: Limits) -> None:
        """See `GateStore`."""
        if self.away or grant.ask.holder.startswith(_ALONE):
            self.leave(grant, report, limits)
            return
        try:
            self._shared.post(grant, report, limits)
        except RedisUnavailable as error:
            self._lost(error)
            self.leave(grant, report, limits)

    def quit(self, ask: Ask, limits: Limits) -> None:
        """See `GateStore`."""
        self._local.quit(_alone(ask), limits)
        self._owe(ask, limits)

    def renew(self, grants: Sequence[Grant], limits: Callable[[str], Limits]) -> list[Grant]:
        """See `GateStore`; what the server holds is renewed when it is back."""
        own = [grant for grant in grants if grant.ask.holder.startswith(_ALONE)]
        theirs = [grant for grant in grants if not grant.ask.holder.startswith(_ALONE)]
        lost = self._local.renew(own, limits)
        if theirs:
            lost += self._try(lambda: self._shared.renew(theirs, limits)) or []
        return lost

    def look(self, site: str) -> Standing:
        """See `GateStore`."""
        standing = self._of_server(site, lambda: self._shared.look(site))
        return standing or self._known.standing(site, self._local.look(site))

    def tally(self, site: str, oks: int, limits: Limits) -> Standing:
        """See `GateStore`."""
        standing = self._of_server(site, lambda: self._shared.tally(site, oks, limits))
        return standing or self._known.standing(site, self._local.tally(site, oks, limits))

    def pause(self, site: str, seconds: float) -> None:
        """See `GateStore`."""
        self._known.pause(site, seconds)
        self._local.pause(site, seconds)
        self._try(lambda: self._shared.pause(site, seconds))

    def beat(self, sites: Collection[str]) -> None:
        """See `GateStore`; what holds for them is heard too, so that it is known should the server go."""
        self._try(lambda: self._shared.beat(sites))
        for site in sites:
            if not self.away:
                self.look(site)

    def on_call(self, ask: Ask, call: Callable[[], None]) -> Callable[[], None]:
        """See `GateStore`: whichever store calls."""
        ends = [self._local.on_call(_alone(ask), call)]
        if not self.away:
            ends.append(self._shared.on_call(ask, call))

        def end() -> None:
            for each in ends:
                each()

        return end

    def close(self) -> None:
        """See `GateStore`."""
        if not self._forked():
            self._closed.set()
        self._shared.close()

    def _try(self, work: Callable[[], T]) -> T | None:
        """Ask the server; None: it is away."""
        if self.away:
            return None
        try:
            return work()
        except RedisUnavailable as error:
            self._lost(error)
            return None

    def _of_server(self, site: str, work: Callable[[], Standing]) -> Standing | None:
        standing = self._try(work)
        if standing is not None:
            self._known.heard(site, standing)
        return standing

    def _enter_alone(self, ask: Ask, limits: Limits) -> Grant | Refused:
        if self._known.shut(ask.site):
            return Refused(Reason.BREAKER, SHUT_LOOK_S)
        own = self._share(ask.site, limits)
        mine = _alone(ask)._replace(max_wait_us=min(ask.max_wait_us, AHEAD_US))
        answer = self._local.enter(mine, own)
        if isinstance(answer, Grant):
            return answer
        # By another clock than the server's: below 0, so that it is no place in the line there.
        answer = replace(answer, since=-answer.since)
        if answer.reason is not Reason.PAUSE:
            return answer
        # Where the site said nothing it is our own pause.
        return answer if self._known.rest_s(ask.site) else replace(answer, reason=Reason.RATE)

    def _leave_alone(self, grant: Grant, report: Report, limits: Limits) -> Standing:
        site = grant.ask.site
        if report.retry_after_s:
            self._known.pause(site, report.retry_after_s)
        return self._known.standing(site, self._local.leave(grant, report, limits))

    def _share(self, site: str, limits: Limits) -> Limits:
        """Return our share. At first nobody goes before all that was booked at the server is over.

        So what was booked there and what is booked here are never too much together.
        """
        with self._lock:
            known = self._alone.get(site)
            if known is None or known[0] is not limits:
                users = self._shared.users.get(site, self._users)
                own = share(limits, users, self._shared.intervals.get(site, 0))
                self._alone[site] = (limits, own)
                if known is None:
                    booked = max(0.0, self._shared.ahead_s(site)) + own.interval_us / 1e6
                    self._local.pause(site, max(self._known.rest_s(site), booked))
            return self._alone[site][1]

    def _lost(self, error: RedisUnavailable) -> None:
        """Go on alone, and look for the server meanwhile.

        Raises:
            ReplyError: it is there, and what we want of it is wrong.
        """
        if _is_fault(error):
            raise error
        with self._lock:
            if self._away or self._closed.is_set():
                return
            self._away = True
            self._alone.clear()
            self._since = self._clock.monotonic()
            users = max(self._shared.users.values(), default=self._users)
            threading.Thread(target=self._look_for_it, name="gate away", daemon=True).start()
        self._tell("gate.alone", {"reason": str(error), "processes": users})

    def _owe(self, ask: Ask, limits: Limits) -> None:
        """Have the server forget `ask`, now or when it is back."""
        with self._lock:
            if self._away:
                self._owed.append((ask, limits))
                return
        self._try(lambda: self._shared.quit(ask, limits))

    def _look_for_it(self) -> None:
        while not self._closed.wait(LOOK_S):
            try:
                self._come_back()
            except RedisUnavailable as error:
                if not _is_fault(error):
                    continue
                self._away = False  # whoever asks next is told what is wrong
            self._tell("gate.shared", {"away_s": round(self._clock.monotonic() - self._since, 3)})
            return

    def _come_back(self) -> None:
        """Share again. Others may not have noticed yet, and go on alone: nobody goes before they have."""
        with self._lock:
            alone = dict(self._alone)
        self._shared.beat(alone or ("",))
        rests = self._known.pauses()  # it may have forgotten them
        for site, (_, own) in alone.items():
            rests[site] = max(rests.get(site, 0.0), LOOK_S + (AHEAD_US + own.interval_us) / 1e6)
        for site, rest in rests.items():
            self._shared.pause(site, rest)
        while not self._all_given_back():
            self._shared.quit(*self._owed[0])
            del self._owed[0]

    def _all_given_back(self) -> bool:
        """Share again if nothing is owed."""
        with self._lock:
            self._away = bool(self._owed)
            return not self._away


def _alone(ask: Ask) -> Ask:
    return ask._replace(holder=_ALONE + ask.holder, since=max(0, -ask.since))


def _is_fault(error: RedisUnavailable) -> bool:
    return isinstance(error, ReplyError) and not error.passes
