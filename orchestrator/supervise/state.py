"""What a supervisor leaves behind for the next one: an atomic file of who runs as what."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import OrchError
from orchestrator.core.files import read_json, write_json
from orchestrator.supervise.ownership import Identity, identify
from orchestrator.supervise.service import ServiceSpec, ServiceState

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from orchestrator.core.events import EventLog
    from orchestrator.supervise.keeper import Keeper


@dataclass(frozen=True, slots=True)
class Running:
    """A service's process as it was recorded, with the declaration that it was started from."""

    spec: ServiceSpec
    identity: Identity
    launch: str
    since: float  #: of its state, seconds since 1970
    ready: bool = False
    restarts: int = 0
    adopted: bool = False


@dataclass(slots=True)
class StateFile:
    """`data/run/state.json`."""

    path: Path
    _me: Identity = field(default_factory=lambda: identify(os.getpid()))
    _unsaved: bool = False

    def keep(self, keepers: Collection[Keeper], events: EventLog) -> None:
        """Write what has changed; what could not be written is tried again at the next call."""
        if not self._unsaved and not any(keeper.changed for keeper in keepers):
            return
        for keeper in keepers:
            keeper.changed = False
        try:
            self.write(keepers)
        except OrchError as error:
            if not self._unsaved:
                events.write("supervisor.state_not_written", error=str(error))
            self._unsaved = True
        else:
            self._unsaved = False

    def write(self, keepers: Collection[Keeper]) -> None:
        """Record every process that is ours."""
        services: dict[str, Any] = {}
        for keeper in keepers:
            if keeper.process is not None:
                services[keeper.spec.name] = {
                    "spec": keeper.spec.to_json(),
                    "identity": asdict(keeper.process.identity),
                    "launch": keeper.process.launch,
                    "since": keeper.since,
                    "ready": keeper.state in (ServiceState.READY, ServiceState.UNHEALTHY),
                    "restarts": keeper.history.restarts,
                    "adopted": keeper.adopted,
                }
        done = {keeper.spec.name: keeper.spec.digest for keeper in keepers if keeper.done}
        record = {"supervisor": asdict(self._me), "services": services, "done": done}
        write_json(self.path, record, durable=False)

    def read(self) -> dict[str, Running]:
        """The services that were recorded and still run."""
        found = {}
        for name, row in self._table("services").items():
            try:
                spec, identity = ServiceSpec.from_json(row["spec"]), Identity(**row["identity"])
                running = Running(**{**row, "spec": spec, "identity": identity})
            except (KeyError, TypeError, ValueError):
                continue  # of another version of orch: its launch token still finds the process
            if running.identity.alive:
                found[name] = running
        return found

    def done(self) -> dict[str, str]:
        """The services that have ended as they should since the boot, with their digests."""
        if self._table("supervisor").get("boot") != self._me.boot:
            return {}
        return {name: str(digest) for name, digest in self._table("done").items()}

    def _table(self, name: str) -> dict[str, Any]:
        raw = read_json(self.path)
        table = raw.get(name) if isinstance(raw, dict) else None
        return table if isinstance(table, dict) else {}
