"""What an earlier supervisor left running: taken over if it still fits, else ended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.supervise.ownership import identify, launched
from orchestrator.supervise.process import Process, end_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.core.clock import Clock
    from orchestrator.core.events import EventLog
    from orchestrator.supervise.keeper import Keeper
    from orchestrator.supervise.state import Running, StateFile


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Provably ours, by the state file or by launch token; nothing else is touched."""

    home: Path
    state: StateFile
    events: EventLog
    clock: Clock
    #: The earlier supervisor was this very process: nothing has changed hands.
    reloaded: bool = False

    def settle(self, keepers: Mapping[str, Keeper], *, whatever_fits: bool) -> None:
        """Hand what runs to its keeper, to be restarted if it was declared otherwise.

        With `whatever_fits` nothing is restarted. What nobody declares any more is ended.
        """
        left = self.state.read()
        for name, running in left.items():
            process = Process.adopt(running.identity, running.launch)
            if process is not None and name in keepers:
                self._hand_over(keepers[name], process, running, as_it_is=whatever_fits)
            else:
                self._end(name, process)
        for name, digest in self.state.done().items():
            if name in keepers and keepers[name].spec.digest == digest:
                keepers[name].done = True
        self._end_orphans({running.launch for running in left.values()})

    def _end_orphans(self, known: set[str]) -> None:
        for launch, pids in launched(self.home).items():
            for pid in pids if launch not in known else ():
                self._end("orphan", Process.adopt(identify(pid), launch))

    def _hand_over(
        self, keeper: Keeper, process: Process, running: Running, *, as_it_is: bool
    ) -> None:
        name = keeper.spec.name
        keeper.adopt(process, running if self.reloaded else replace(running, adopted=True))
        self.events.write("service.adopted", service=name, pid=process.pid)
        if not as_it_is and running.spec.digest != keeper.spec.digest:
            self.events.write("service.differs", service=name)
            keeper.restart()

    def _end(self, name: str, process: Process | None) -> None:
        if process is not None:
            self.events.write("orphan.ended", service=name, pid=process.pid)
            end_now(process, self.clock)
