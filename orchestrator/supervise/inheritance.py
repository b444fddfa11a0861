"""What an earlier supervisor left running: taken over if it still fits, else ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.supervise.ownership import identify, launched
from orchestrator.supervise.process import Process, end_now

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.core.clock import Clock
    from orchestrator.core.events import EventLog
    from orchestrator.supervise.keeper import Keeper
    from orchestrator.supervise.state import StateFile


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Provably ours, by the state file or by launch token; nothing else is touched."""

    home: Path
    state: StateFile
    events: EventLog
    clock: Clock

    def settle(self, keepers: Mapping[str, Keeper], *, whatever_fits: bool) -> None:
        """Hand what runs to its keeper, to be restarted if it was declared otherwise.

        With `whatever_fits` nothing is restarted. What nobody declares any more is ended.
        """
        known = set()
        for name, running in self.state.read().items():
            known.add(running.launch)
            keeper = keepers.get(name)
            process = Process.adopt(running.identity, running.launch)
            if process is None:
                continue
            if keeper is None:
                self._end(name, process)
                continue
            keeper.adopt(process)
            self.events.write("service.adopted", service=name, pid=process.pid)
            if not whatever_fits and running.spec.digest != keeper.spec.digest:
                self.events.write("service.differs", service=name)
                keeper.restart()
        for launch, pids in launched(self.home).items():
            for pid in pids if launch not in known else ():
                self._end("orphan", Process.adopt(identify(pid), launch))

    def _end(self, name: str, process: Process | None) -> None:
        if process is not None:
            self.events.write("orphan.ended", service=name, pid=process.pid)
            end_now(process, self.clock)
