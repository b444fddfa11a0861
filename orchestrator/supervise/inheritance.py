"""What an earlier supervisor left running: taken over if it still fits, else ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.supervise.ownership import identify, launched
from orchestrator.supervise.process import Process, end_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.core.clock import Clock
    from orchestrator.core.events import EventLog
    from orchestrator.supervise.keeper import Keeper
    from orchestrator.supervise.service import ServiceSpec
    from orchestrator.supervise.state import Running, StateFile


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Provably ours, by the state file or by launch token; nothing else is touched."""

    home: Path
    state: StateFile
    events: EventLog
    clock: Clock
    #: Makes a keeper for what nobody declares any more.
    keep: Callable[[ServiceSpec], Keeper]
    #: The earlier supervisor was this very process: nothing has changed hands.
    reloaded: bool = False

    def settle(self, keepers: dict[str, Keeper], *, whatever_fits: bool) -> frozenset[str]:
        """Hand what runs to its keeper, to be restarted if it was declared otherwise.

        With `whatever_fits` nothing is restarted. Returns what nobody declares any more, and is to be
        stopped; what only its token proves ours is ended at once.
        """
        left = self.state.read()
        gone: set[str] = set()
        for name, running in left.items():
            process = Process.adopt(running.identity, running.launch)
            if process is None:
                continue
            if name not in keepers:
                gone.add(name)
                keepers[name] = self.keep(running.spec)
            self._hand_over(keepers[name], process, running, as_it_is=whatever_fits)
        for name, digest in self.state.done().items():
            if name in keepers and keepers[name].spec.digest == digest:
                keepers[name].done = True
        self._end_orphans({running.launch for running in left.values()})
        return frozenset(gone)

    def _end_orphans(self, known: set[str]) -> None:
        orphans = [
            (launch, pid)
            for launch, pids in launched(self.home).items()
            for pid in pids
            if launch not in known
        ]
        adopted = [Process.adopt(identify(pid), launch) for launch, pid in orphans]
        processes = [process for process in adopted if process is not None]
        for process in processes:
            self.events.write("orphan.ended", pid=process.pid)
        end_now(processes, self.clock)

    def _hand_over(
        self, keeper: Keeper, process: Process, running: Running, *, as_it_is: bool
    ) -> None:
        name = keeper.spec.name
        keeper.adopt(process, running if self.reloaded else replace(running, adopted=True))
        self.events.write("service.adopted", service=name, pid=process.pid)
        if not as_it_is and running.spec.digest != keeper.spec.digest:
            self.events.write("service.differs", service=name)
            keeper.restart()
