"""The supervisor: one loop over all services. In the foreground, detached and in a thread the same."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from typing import TYPE_CHECKING, Any

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.errors import Busy, OrchError, Unavailable
from orchestrator.core.events import EventLog
from orchestrator.core.version import VERSION
from orchestrator.supervise.control import ControlServer
from orchestrator.supervise.desk import Desk
from orchestrator.supervise.farewell import Farewell
from orchestrator.supervise.inheritance import Inheritance
from orchestrator.supervise.keeper import Keeper
from orchestrator.supervise.lock import SupervisorLock
from orchestrator.supervise.order import start_order, stop_order
from orchestrator.supervise.origin import IN_A_THREAD, Origin
from orchestrator.supervise.rows import service_row
from orchestrator.supervise.service import ServiceSpec, ServiceState
from orchestrator.supervise.state import StateFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.core.home import Home

#: A turn of the loop that took longer was a suspended machine or process, in seconds.
STOOD_STILL_S = 3.0
#: A turn comes at least so often, in seconds: who sleeps long does not notice that he stood still.
LONGEST_PATIENCE_S = 2.0
#: Where the kernel does not tell of a death (no pidfd), we look this often, in seconds.
LOOK_EVERY_S = 0.2


class Supervisor:
    """Starts, watches and stops the services of one home.

    `run` takes the home's lock, adopts what an earlier supervisor left, and returns when everything
    has been stopped. Everything else reaches it over the control socket, or by `request_stop` from a
    signal handler or another thread.
    """

    def __init__(
        self,
        home: Home,
        specs: Iterable[ServiceSpec],
        *,
        only_stop: bool = False,
        origin: Origin = IN_A_THREAD,
        echo: Callable[[str], object] | None = None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._home = home
        self._clock = clock
        self._only_stop = only_stop
        self._origin = origin
        self._events = EventLog(home.logs / "events.jsonl", clock, echo)
        self._notify = origin.notify
        self._state = StateFile(home.run / "state.json")
        self._selector = selectors.DefaultSelector()
        self.keepers = {
            spec.name: Keeper(spec, self._selector, clock, self._events) for spec in specs
        }
        self.failure: OrchError | None = None
        self.successor: dict[str, Any] | None = None  #: the order of the program that takes over
        self._since = clock.wall()
        self._stop_asked = self._kill_asked = False
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._desk = Desk(self)
        self._farewell: Farewell | None = None
        self._partial: list[Farewell] = []
        self._starting_up = self._gone = frozenset[str]()
        self._was_up = origin.reloaded  #: a start has succeeded; failures are lived with since

    # from outside

    def request_stop(self, *, kill: bool = False) -> None:
        """Stop in order, or with `kill` at once. Safe in signal handlers and other threads."""
        self._stop_asked = True
        self._kill_asked = self._kill_asked or kill
        with contextlib.suppress(OSError):  # full or closed: the loop is awake or over
            self._wake_in.send(b"\0")

    @property
    def home(self) -> str:
        """The folder whose services these are."""
        return str(self._home.path)

    def request_reload(self, order: dict[str, Any]) -> None:
        """Leave everything running for another program, which `order` is for.

        Raises:
            Unavailable: this supervisor lives inside a program that cannot be replaced.
            Busy: services are being stopped.
        """
        if not self._origin.can_reload:
            hint = "end that program, then `orch up`"
            raise Unavailable("the supervisor lives inside another program", hint=hint)
        if self.stopping or self._partial:
            raise Busy("services are being stopped")
        declared = {raw["name"] for raw in order["specs"]}
        meant = {*(self.meant("wait") & declared), *(order.get("wanted") or ())}
        self.successor = {**order, "wanted": sorted(meant)}

    def run(self, wanted: Iterable[str] | None = None) -> None:
        """Supervise until told to stop; `wanted` services (default: all) are started first.

        Raises:
            Busy: another supervisor of this home runs.
            OrchError: a service did not become ready at start-up; all is stopped again.
        """
        with SupervisorLock(self._home.run / "lock") as self._lock:
            self._selector.register(self._wake_out, selectors.EVENT_READ, self._drain_wakes)
            control = ControlServer(
                self._home.socket("control.sock"), self._selector, self._desk.take
            )
            try:
                self._gone = self._inherit()
                if self._gone:
                    self.stop_some(self._gone)
                if self._only_stop:
                    self.request_stop()
                else:
                    self.want(self.meant("start") if wanted is None else frozenset(wanted))
                self._loop()
            finally:
                control.close()
                self._state.keep(self.keepers.values(), self._events)
                self._selector.close()
                self._wake_in.close()
                self._wake_out.close()
        if self.failure is not None:
            raise self.failure

    def _inherit(self) -> frozenset[str]:
        heir = Inheritance(
            self._home.path,
            self._state,
            self._events,
            self._clock,
            lambda spec: Keeper(spec, self._selector, self._clock, self._events),
            self._origin.reloaded,
        )
        return heir.settle(self.keepers, whatever_fits=self._only_stop)

    @property
    def stopping(self) -> bool:
        """Whether all is being stopped: from here on nothing is started."""
        return self._stop_asked

    def meant(self, what: str) -> frozenset[str]:
        """The services that a request without names is about."""
        keepers = [k for name, k in self.keepers.items() if name not in self._gone]
        if what == "start":
            return frozenset(
                k.spec.name for k in keepers if k.wanted or (k.spec.auto and not k.done)
            )
        if what in ("restart", "wait"):
            return frozenset(k.spec.name for k in keepers if k.wanted)
        return frozenset(self.keepers)

    def want(self, names: frozenset[str], *, again: bool = False) -> frozenset[str]:
        """Start `names` and all they need; return them. `again`: also those of `names` that are done."""
        coming = start_order(self.keepers, names, again=again)
        wanted = frozenset(keeper.spec.name for keeper in coming)
        for keeper in coming:
            keeper.want()
        for partial in self._partial:
            partial.spare(wanted)
        self._starting_up |= wanted
        return wanted

    def restart(self, names: frozenset[str]) -> frozenset[str]:
        """Stop and start `names`, whoever needs them running on; return them and their needs."""
        awaited = self.want(names, again=True)
        for name in names:
            self.keepers[name].restart()
        return awaited

    def stop_some(self, names: frozenset[str]) -> frozenset[str]:
        """Stop `names` and whoever needs them, in order; return them all."""
        order = stop_order(self.keepers, names)
        self._partial.append(Farewell(order, self._events, self._clock.monotonic()))
        return frozenset(keeper.spec.name for keeper in order)

    def status(self, *, measured: bool = False) -> dict[str, Any]:
        """What `orch status --json` shows of supervisor and services; `measured`: memory too."""
        now = self._clock.monotonic()
        for keeper in self.keepers.values() if measured else ():
            if keeper.process is not None and now >= keeper.upkeep.used_until:
                keeper.upkeep.measure(now, keeper.process)
        me = {
            "state": "stopping" if self.stopping else "running",
            "pid": os.getpid(),
            "since": round(self._since, 3),
            "version": VERSION,
            "source": self._origin.source,
        }
        return {
            "home": str(self._home.path),
            "supervisor": me,
            "services": [service_row(keeper, self._clock) for keeper in self.keepers.values()],
        }

    # the loop

    def _loop(self) -> None:
        patience, since = 0.0, self._clock.monotonic()
        while True:
            now = self._clock.monotonic()
            self._turn(now, stood_s=now - since if now - since > patience + STOOD_STILL_S else 0.0)
            if self._farewell is not None and self._farewell.over:
                self._desk.answer()
                return
            if self._stop_asked:
                self.successor = None  # a stop comes first
            elif self.successor is not None:
                self._events.write("supervisor.reloads")
                for keeper in self.keepers.values():
                    keeper.pulse.cancel()
                return
            # From the turn's beginning: it may also stand still in the middle of a turn.
            since, patience = now, self._patience(self._clock.monotonic())
            for key, _ in self._selector.select(patience):
                if key.data is not None:
                    key.data()

    def _turn(self, now: float, *, stood_s: float) -> None:
        if self._lock.lost and not self._stop_asked:
            self._events.write("supervisor.lost_its_home")
            self.request_stop()
        if self._stop_asked and self._farewell is None:
            self._begin_farewell(now)
        for keeper in self.keepers.values():
            if stood_s:
                keeper.forgive(now, stood_s)
            keeper.tick(now, needs_ready=self._needs_ready(keeper))
        if self._farewell is not None:
            self._farewell.tick(now, kill=self._kill_asked)
        for partial in self._partial:
            partial.tick(now, kill=False)
        self._partial = [partial for partial in self._partial if not partial.over]
        self._forget_gone()
        self._give_up_start()
        self._state.keep(self.keepers.values(), self._events)
        self._desk.answer()
        self._notify.tick(now)

    def _forget_gone(self) -> None:
        for name in [name for name in self._gone if self.keepers[name].settled]:
            del self.keepers[name]
            self._gone -= {name}

    def _patience(self, now: float) -> float:
        due = [self._notify.due, *(keeper.due(now) for keeper in self.keepers.values())]
        due += [f.due(now) for f in (self._farewell, *self._partial) if f is not None]
        if any(k.process is not None and k.process.pidfd < 0 for k in self.keepers.values()):
            due.append(now + LOOK_EVERY_S)
        return min(max(0.0, min(due) - now), LONGEST_PATIENCE_S)

    def _needs_ready(self, keeper: Keeper) -> bool:
        needs = [self.keepers[name] for name in keeper.spec.needs if name in self.keepers]
        return all(need.ready for need in needs)

    def _drain_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)

    # starting and stopping

    def _give_up_start(self) -> None:
        """What fails while it is started up ends the start; later failures are lived with."""
        starting = [self.keepers[name] for name in self._starting_up]
        failed = [keeper.failure for keeper in starting if keeper.state is ServiceState.FAILED]
        if all(keeper.ready for keeper in starting):
            if starting:
                ready = [keeper.spec.name for keeper in self.keepers.values() if keeper.ready]
                self._notify.ready(f"ready: {', '.join(ready)}")
            self._starting_up, self._was_up = frozenset(), True
        elif failed and failed[0] is not None:
            self._desk.answer()
            if not self._was_up:
                self.failure = failed[0]
                self._stop_asked = True
            self._starting_up = frozenset()

    def _begin_farewell(self, now: float) -> None:
        self._starting_up, self._partial = frozenset(), []
        self._desk.dismiss()
        self._notify.stopping()
        self._farewell = Farewell(
            stop_order(self.keepers, frozenset(self.keepers)), self._events, now
        )
