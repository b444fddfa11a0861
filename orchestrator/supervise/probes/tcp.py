"""Does somebody accept a connection?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.supervise.probes.connection import ConnectionProbe
from orchestrator.supervise.probes.result import ProbeResult, milliseconds

if TYPE_CHECKING:
    import selectors

    from orchestrator.supervise.service import ProbeSpec


class TcpProbe(ConnectionProbe):
    """Connects to `spec.target`, `host:port`."""

    def __init__(self, spec: ProbeSpec, selector: selectors.BaseSelector) -> None:
        host, _, port = spec.target.rpartition(":")
        super().__init__(spec, selector, (host.strip("[]") or "127.0.0.1", int(port)))

    def question(self) -> bytes:
        """That it connects is the answer."""
        return b""

    def answer(self, seen: bytes, took: float, *, ended: bool) -> ProbeResult | None:  # noqa: ARG002
        """Connected."""
        return ProbeResult(ok=True, latency_ms=milliseconds(took))
