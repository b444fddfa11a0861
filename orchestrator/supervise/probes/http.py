"""Is a GET answered with success?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.supervise.probes.connection import ConnectionProbe
from orchestrator.supervise.probes.result import ProbeResult, milliseconds

if TYPE_CHECKING:
    import selectors

    from orchestrator.supervise.service import ProbeSpec

_STATUS = re.compile(rb"HTTP/\d\.\d (\d{3})")
_SUCCESS = range(200, 400)
DEFAULT_PORT = 80


class HttpProbe(ConnectionProbe):
    """Asks for `spec.target`, an http:// URL; its first line is the answer."""

    def __init__(self, spec: ProbeSpec, selector: selectors.BaseSelector) -> None:
        self._parts = urlsplit(spec.target)
        address = (self._parts.hostname or "127.0.0.1", self._parts.port or DEFAULT_PORT)
        super().__init__(spec, selector, address)

    def question(self) -> bytes:
        """A GET; HTTP/1.0, so that the server hangs up."""
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        host = self._parts.netloc.rpartition("@")[2]
        return f"GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: orch\r\n\r\n".encode()

    def answer(self, seen: bytes, took: float, *, ended: bool) -> ProbeResult | None:
        """2xx and 3xx are a yes; anything else comes from one that is alive, and not ready."""
        if b"\r\n" not in seen and not ended:
            return None
        status = _STATUS.match(seen)
        if status is None:
            return ProbeResult(ok=False, stranger=True, error="what answers there is no HTTP")
        if int(status[1]) in _SUCCESS:
            return ProbeResult(ok=True, latency_ms=milliseconds(took))
        return ProbeResult(ok=False, error=f"answers {int(status[1])}")
