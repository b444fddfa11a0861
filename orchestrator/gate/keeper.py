"""What goes on behind a gate while requests are made: one thread that keeps what is held alive."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING

from orchestrator.core.errors import RedisUnavailable
from orchestrator.gate.permit import Report, Verdict
from orchestrator.gate.store import BEAT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.clock import Clock
    from orchestrator.gate.limits import Limits
    from orchestrator.gate.passage import Permit
    from orchestrator.gate.permit import Grant
    from orchestrator.gate.store import GateStore

log = logging.getLogger(__name__)

#: A lease is renewed so many times before it would run out.
RENEWALS = 3
#: A process uses a gate until so long after its last request was due, in seconds.
USED_S = 60.0


class Keeper:
    """Renews the leases of permits that are out, and says which gates this process uses.

    It knows permits weakly: one that somebody lost without giving it back is given back here.
    """

    def __init__(self, store: GateStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        #: holder -> its permit, while that is known to anybody, and what is needed without it
        self._out: dict[str, tuple[weakref.ref[Permit], Grant, Limits]] = {}
        #: site -> when the last request to it is due (monotonic)
        self._used: dict[str, float] = {}
        self._period = BEAT_S
        self._idle = False
        self._thread: threading.Thread | None = None
        self._closed = False

    def use(self, permit: Permit, limits: Limits, *, held: bool) -> None:
        """Say from now on that this process uses the gate of its site; renew its lease if it is `held`."""
        if self._pid != os.getpid():  # forked: neither the thread nor the permits are ours
            self._begin()
        grant, site = permit.grant, permit.site
        if held:
            self._out[grant.ask.holder] = (weakref.ref(permit), grant, limits)
        known = site in self._used
        self._used[site] = self._clock.monotonic() + permit.wait_s
        # Written first, then asked: the thread says first that it is idle, and looks then once more.
        if known and not self._idle and limits.lease_s / RENEWALS >= self._period:
            return
        with self._changed:
            self._period = min(self._period, limits.lease_s / RENEWALS)
            self._changed.notify()
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="gate keeper", daemon=True)
                self._thread.start()

    def drop(self, permit: Permit) -> None:
        """It is given back."""
        self._out.pop(permit.holder, None)

    def close(self) -> None:
        """End the thread."""
        if self._pid != os.getpid():
            self._begin()
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        beat_at = 0.0
        while not self._closed:
            now = self._clock.monotonic()
            if now >= beat_at:
                beat_at = now + BEAT_S
                self._attempt(self._beat)
            with self._changed:
                self._idle = True
                self._idle = not self._used and not self._out
                if not self._closed:
                    self._clock.wait(self._changed, None if self._idle else self._period)
                self._idle = False
            self._attempt(self._renew)
        self._attempt(self._give_back)

    def _attempt(self, work: Callable[[], None]) -> None:
        """Do it; what fails is tried again with the next turn."""
        try:
            work()
        except RedisUnavailable:
            log.debug("the gate has no answer", exc_info=True)
        except Exception:
            log.exception("the keeper of a gate goes on")

    def _renew(self) -> None:
        self._give_back()
        held = [(grant, limits) for _, grant, limits in list(self._out.values())]
        if held:
            terms = {grant.ask.site: limits for grant, limits in held}
            self._store.renew([grant for grant, _ in held], terms.__getitem__)

    def _give_back(self) -> None:
        """Give back what somebody lost; nobody will say what came of it."""
        for holder, (permit, grant, limits) in list(self._out.items()):
            if permit() is None:
                self._out.pop(holder, None)
                self._store.leave(grant, Report(Verdict.NEUTRAL), limits)

    def _beat(self) -> None:
        now = self._clock.monotonic()
        for site, at in list(self._used.items()):
            if now - at > USED_S:
                del self._used[site]
        if self._used:
            self._store.beat(list(self._used))
