"""For a service that does something once: it is ready when it has ended well."""

from __future__ import annotations

from orchestrator.supervise.probes.result import ProbeResult

RUNS = ProbeResult(ok=False, error="has not ended yet")


class EndProbe:
    """Always says "not yet": the end itself is noticed elsewhere."""

    def reset(self, *, fresh: bool) -> None:
        """Nothing is remembered from one start to the next."""

    def begin(self, now: float, launch: str) -> None:
        """Nobody is asked."""

    def poll(self, now: float) -> ProbeResult | None:  # noqa: ARG002  (it is always the same)
        """It runs."""
        return RUNS

    def cancel(self) -> None:
        """Nothing is open."""
