"""For a service that cannot be asked: it is ready when it has run for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.supervise.probes.result import ProbeResult

if TYPE_CHECKING:
    from orchestrator.supervise.service import ProbeSpec


class AliveProbe:
    """Says yes `spec.settle_s` after the first question of a start; its end is noticed elsewhere."""

    def __init__(self, spec: ProbeSpec) -> None:
        self._spec = spec
        self._since: float | None = None
        self._result: ProbeResult | None = None

    def reset(self, *, fresh: bool) -> None:
        """A fresh start must settle; one that runs already has."""
        self._since = None if fresh else float("-inf")

    def begin(self, now: float, launch: str) -> None:  # noqa: ARG002  (nobody is asked)
        """Look at our own clock."""
        self._since = now if self._since is None else self._since
        settled = now - self._since >= self._spec.settle_s
        self._result = ProbeResult(ok=settled, error="" if settled else "has just been started")

    def poll(self, now: float) -> ProbeResult | None:  # noqa: ARG002  (the answer is there)
        """What `begin` found."""
        return self._result

    def cancel(self) -> None:
        """Nothing is open."""
