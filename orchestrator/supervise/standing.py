"""Where a service stands, and where it shall be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.supervise.service import MOVES, ServiceState

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock
    from orchestrator.core.errors import OrchError
    from orchestrator.supervise.process import Process
    from orchestrator.supervise.service import ServiceSpec

_S = ServiceState


class Standing:
    """The state of one service; only legal moves are made.

    `process` is None for a service that is not running, and for one that is somebody else's
    (`external`): that one is only probed. `done` is one that ended as it should.
    """

    def __init__(self, spec: ServiceSpec, clock: Clock) -> None:
        self.spec = spec
        self.state = _S.STOPPED
        self.process: Process | None = None
        self.wanted = self.done = self.external = self.adopted = False
        self.failure: OrchError | None = None
        self.since = clock.wall()
        self.changed = True  #: whether the state file must be written again
        self._clock = clock

    @property
    def ready(self) -> bool:
        """Whether others that need it may start."""
        return self.state is _S.READY or self.done

    @property
    def settled(self) -> bool:
        """Whether it is where it shall be, or has given up."""
        if not self.wanted:
            return self.state in (_S.STOPPED, _S.FAILED) and self.process is None
        return self.state is _S.READY or (self.state is _S.FAILED and self.failure is not None)

    def _move(self, state: ServiceState) -> None:
        if state is self.state:
            return
        if state not in MOVES[self.state]:
            raise AssertionError(f"{self.spec.name}: {self.state} -> {state} is no legal move")
        self.state, self.since, self.changed = state, self._clock.wall(), True
