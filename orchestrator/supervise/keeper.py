"""Keeps one service: starts it, asks it, replaces it, stops it. Never waits; the loop calls `tick`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.errors import OrchError, ServiceFailed
from orchestrator.core.files import tail
from orchestrator.supervise.arrival import Arrival, decide, own_listener, refusal
from orchestrator.supervise.health import Activity, Silence, Verdict, judge
from orchestrator.supervise.history import History
from orchestrator.supervise.process import Process
from orchestrator.supervise.pulse import Pulse
from orchestrator.supervise.restart import GiveUp
from orchestrator.supervise.service import ServiceSpec, ServiceState
from orchestrator.supervise.standing import Standing
from orchestrator.supervise.stopping import Ladder
from orchestrator.supervise.upkeep import Upkeep

if TYPE_CHECKING:
    import selectors

    from orchestrator.core.clock import Clock
    from orchestrator.core.events import EventLog
    from orchestrator.supervise.probes.result import ProbeResult
    from orchestrator.supervise.state import Running

_S = ServiceState

#: The states in which a service is asked how it is.
ASKED = frozenset({_S.STARTING, _S.READY, _S.UNHEALTHY})
#: A Redis that loads its data is given this much longer, in seconds.
LOADING_S = 60.0
#: After the loop stood still a service that stood still too has so long to say that it lives, in seconds.
WAKE_UP_S = 5.0
LOG_TAIL_LINES = 20
#: A silent one that was there before us is asked for this part of the start's time.
PATIENCE = 0.4


class Keeper(Standing):
    """The state machine of one service."""

    def __init__(
        self, spec: ServiceSpec, selector: selectors.BaseSelector, clock: Clock, events: EventLog
    ) -> None:
        super().__init__(spec, clock)
        self.history = History(spec.restart)
        self.pulse = Pulse(spec, selector)
        self._events = events
        self._selector = selector
        self.upkeep = Upkeep(spec, events)
        self._silence: Silence | None = None
        self._looking = self._proven = False  #: proven: ready once since it was asked for
        self._deadline = self._retry_at = 0.0
        self._ladder: Ladder | None = None
        self._doom = ""  #: why it is not started again after the stop that is under way
        self._ready_since: float | None = None  #: of one that was taken over

    def want(self) -> None:
        """It shall run; a failed one gets a fresh start."""
        if not self.wanted or self.state is _S.FAILED or self._doom:
            self.wanted, self.done, self._proven, self.failure = True, False, False, None
            self._retry_at, self._doom = 0.0, ""
            self.history.forget()
            if self.state is _S.FAILED and self.process is None:
                self._move(_S.STOPPED)

    def adopt(self, process: Process, past: Running) -> None:
        """Take over a running process of an earlier supervisor; it must answer before it is ready."""
        self.process, self.adopted, self.wanted = process, past.adopted, True
        self.history.restarts, self._proven = past.restarts, True
        self._ready_since = past.since if past.ready else None
        self._begin_start(self._clock.monotonic(), fresh=not past.ready)
        process.watch(self._selector)

    def stop(self, *, for_good: bool = True) -> None:
        """Begin to stop it; with `for_good` it is not started again."""
        if for_good:
            self.changed = self.changed or self.done
            self.wanted = self.done = False
        self._ready_since = None
        if self.state in (_S.STOPPING, _S.STOPPED):
            return
        self.pulse.cancel()
        if self.process is None:
            self.external = False
            self._move(_S.STOPPED)
            return
        self._move(_S.STOPPING)
        self._ladder = Ladder(self.process, self.spec.stop, self._clock.monotonic())

    def restart(self) -> None:
        """Stop it if it runs, and start it again."""
        self.want()
        self._proven, self._retry_at = False, 0.0
        self.history.forget()
        if self.state is not _S.FAILED:
            self.stop(for_good=False)

    def kill(self) -> None:
        """End it and all it left behind, now."""
        self.stop()
        if self.process is not None:
            self.process.kill_family()
        if self._ladder:
            self._ladder.kill()

    def tick(self, now: float, *, needs_ready: bool) -> None:
        """Do what is due."""
        if self.process is not None and self.process.ended():
            self._on_end(self.process, now, blameless=not needs_ready)
        if self.state in (_S.STOPPED, _S.BACKOFF):
            if not (self.wanted and needs_ready and now >= self._retry_at):
                return
            self._start(now)
        if self.state is _S.STOPPING and self._ladder:
            self._ladder.tick(now)
        elif self.state in ASKED:
            self._ask(now, judge=needs_ready)
            self._look_after(now)

    def due(self, now: float) -> float:
        """When `tick` must be called at the latest."""
        if self.state is _S.STOPPING and self._ladder:
            return self._ladder.due
        if self.state in ASKED:
            return self.pulse.due
        # What it waits for besides that, a need that becomes ready, makes a turn by itself.
        return self._retry_at if self._retry_at > now else now + 60.0

    def forgive(self, now: float, stood_s: float) -> None:
        """The loop itself stood still for so long: what was asked before says nothing.

        Perhaps the service did too: all that it was given time for goes on where it was.
        """
        self.pulse.cancel()
        if self.state is _S.STARTING:
            self.pulse.again_soon(now)
        else:
            self.pulse.again_later(now + WAKE_UP_S)
        self._silence = None
        self._deadline += stood_s
        self._retry_at += stood_s if self._retry_at > now - stood_s else 0.0
        if self._ladder:
            self._ladder.put_off(stood_s)

    def _start(self, now: float) -> None:
        self._begin_start(now, fresh=True)
        self._looking = self.spec.adopt_stranger or not self.spec.managed
        if not self._looking:
            self._launch()

    def _begin_start(self, now: float, *, fresh: bool) -> None:
        self._move(_S.STARTING)
        self._deadline, self._silence = now + self.spec.start_timeout_s, None
        self.pulse.restart(now, fresh=fresh)

    def _launch(self) -> None:
        try:
            self.process = Process.start(self.spec)
        except OrchError as error:
            if self._proven:
                self._after_death(self._clock.monotonic(), blameless=False)
            else:
                self._fail(error)
            return
        self.adopted, self.changed = False, True
        self.process.watch(self._selector)
        self._events.write("service.started", service=self.spec.name, pid=self.process.pid)

    def _look(self, result: ProbeResult, now: float) -> None:
        patient = now < self._deadline - self.spec.start_timeout_s * (1 - PATIENCE)
        arrival = decide(result, managed=self.spec.managed, patient=patient)
        self._looking = arrival is Arrival.ASK_AGAIN
        if arrival is Arrival.USE:
            self.process = own_listener(self.spec)
            self.adopted, self.external = self.process is not None, self.process is None
            self.changed = True
            if self.process:
                self.process.watch(self._selector)
            self._become_ready(now)
        elif arrival is Arrival.START:
            self._launch()
        elif arrival is Arrival.REFUSE:
            self._fail(refusal(self.spec, result))

    def _become_ready(self, now: float) -> None:
        self._silence, self._proven = None, True
        self.pulse.again_later(now)
        if self.state is not _S.READY:
            self._move(_S.READY)
            self.since, self._ready_since = self._ready_since or self.since, None
            pid = self.process.pid if self.process else None
            facts = {"pid": pid, "adopted": self.adopted or self.external}
            self._events.write("service.ready", service=self.spec.name, **facts)

    def _ask(self, now: float, *, judge: bool) -> None:
        result = self.pulse.tick(now, self.process.launch if self.process else "")
        if result is None:
            return
        if result.alive and self.state is _S.STARTING:  # it loads its data
            self._deadline = max(self._deadline, now + max(LOADING_S, self.spec.start_timeout_s))
        if self._looking:
            self.pulse.again_soon(now)
            self._look(result, now)
        elif result.ok:
            self._become_ready(now)
        elif self.state is _S.STARTING:
            self._still_starting(result, now, patient=not judge)
        else:
            self.pulse.again_later(now)
            if judge:
                self._missed(result, now)

    def _still_starting(self, result: ProbeResult, now: float, *, patient: bool) -> None:
        self.pulse.again_soon(now)
        if patient:
            self._deadline = max(self._deadline, now + self.spec.start_timeout_s)
        if now < self._deadline:
            return
        if self._proven and self.process is not None:
            self.process.signal(9)  # a restart that hangs counts as a death
            self._deadline = now + self.spec.start_timeout_s
            return
        self._fail_with_log(f"not ready within {self.spec.start_timeout_s:g} s ({result.error})")

    def _missed(self, result: ProbeResult, now: float) -> None:
        asked = self.spec.alive or self.spec.probe
        activity = Activity()
        if self.process:
            activity = Activity.of(self.process.pid, with_children=asked.answered_by_children)
        verdict, self._silence = judge(result, self._silence, activity, now, asked)
        if self.state is _S.READY and verdict in (Verdict.UNHEALTHY, Verdict.HUNG):
            self._move(_S.UNHEALTHY)
            self._events.write("service.unhealthy", service=self.spec.name, error=result.error)
        if verdict is Verdict.HUNG and self.process is not None:
            self.process.signal(9)  # it does not answer: nothing milder would be heard
            self._silence = None

    def _look_after(self, now: float) -> None:
        used = self.upkeep.tick(now, self.process)
        if used is None or self.state is _S.STARTING:
            return
        limit = self.spec.memory_limit_bytes
        self._events.write("service.over_memory", service=self.spec.name, bytes=used, limit=limit)
        decision = self.history.died(now)
        if isinstance(decision, GiveUp):
            self._doom = "uses more memory than it may, at every start"
        else:
            self._retry_at = now + decision.delay
        self.stop(for_good=False)

    def _on_end(self, process: Process, now: float, *, blameless: bool) -> None:
        self.process, self.adopted = None, False
        code = self.history.last_exit = process.exit_code
        process.kill_family()
        process.close()
        self.pulse.cancel()
        self._events.write("service.ended", service=self.spec.name, exit=code)
        if self.state is _S.STOPPING:
            self._ladder = None
            if self._doom and self.wanted:
                self._fail_with_log(self._doom)
            else:
                self._move(_S.STOPPED)
        elif self.state is _S.FAILED:
            if self.failure is None:  # it was asked for again while it was being killed
                self._move(_S.STOPPED)
        elif self.history.is_done():
            self.wanted, self.done = False, True
            self._move(_S.STOPPED)
        elif not self._proven and not blameless:
            self._fail_with_log(f"ended before it was ready (exit code {code})")
        else:
            self._after_death(now, blameless=blameless)

    def _after_death(self, now: float, *, blameless: bool) -> None:
        self.pulse.cancel()
        decision = self.history.died(now, blameless=blameless)
        if isinstance(decision, GiveUp):
            self._fail_with_log(f"{decision.reason} (exit code {self.history.last_exit})")
            return
        self._retry_at = now + decision.delay
        self._move(_S.BACKOFF)
        self._events.write("service.restarting", service=self.spec.name, delay=decision.delay)

    def _fail(self, error: OrchError) -> None:
        self.failure = error
        self.pulse.cancel()
        self._looking = False
        self._move(_S.FAILED)
        self._events.write("service.failed", service=self.spec.name, reason=str(error))
        if self.process is not None:
            self.process.signal(9)

    def _fail_with_log(self, reason: str) -> None:
        end = tail(Path(self.spec.log.path), LOG_TAIL_LINES)
        self._fail(ServiceFailed(self.spec.name, reason, end))
