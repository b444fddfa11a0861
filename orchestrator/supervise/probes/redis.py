"""PING, and a write that changes nothing: a full Redis answers the first and refuses the second."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from orchestrator.core.resp import encode
from orchestrator.supervise.probes.connection import ConnectionProbe
from orchestrator.supervise.probes.result import ProbeResult, milliseconds

if TYPE_CHECKING:
    import selectors

    from orchestrator.supervise.probes.place import Address
    from orchestrator.supervise.service import ProbeSpec

DEFAULT_PORT = 6379


class RedisProbe(ConnectionProbe):
    """PING, then `spec.command` (a write), to the URL `spec.target`.

    TLS (rediss://) is only connected to, which says that the port is open: such a server is never ours
    to manage.
    """

    def __init__(self, spec: ProbeSpec, selector: selectors.BaseSelector) -> None:
        self._parts = urlsplit(spec.target)
        super().__init__(spec, selector, self._where())
        self._password = self._parts.password
        self._question = self._make_question()

    def question(self) -> bytes:
        """AUTH if there is a password, PING, the write."""
        return self._question

    def _make_question(self) -> bytes:
        if self._parts.scheme == "rediss":
            return b""
        words = encode("PING")
        if self._spec.command:
            words += encode(*self._spec.command)
        if not self._parts.password:
            return words
        user = [unquote(self._parts.username)] if self._parts.username else []
        return encode("AUTH", *user, unquote(self._parts.password)) + words

    def answer(self, seen: bytes, took: float, *, ended: bool) -> ProbeResult | None:
        """Every answer must be there, and none of them an error."""
        if self._parts.scheme == "rediss":
            return ProbeResult(ok=True, latency_ms=milliseconds(took))
        lines = seen.split(b"\r\n")[:-1]
        wrong = [line for line in lines if line[:1] not in (b"+", b":")]
        expected = 1 + bool(self._password) + bool(self._spec.command)
        if wrong:
            return _refusal(wrong[0])
        if len(lines) < expected:
            return _refusal(seen[:120]) if ended else None
        pong = lines[int(bool(self._password))]
        if pong != b"+PONG":
            return _refusal(pong)
        return ProbeResult(ok=True, latency_ms=milliseconds(took))

    def _where(self) -> Address:
        if self._parts.scheme == "unix":
            return unquote(self._parts.path)
        return self._parts.hostname or "127.0.0.1", self._parts.port or DEFAULT_PORT


def _refusal(line: bytes) -> ProbeResult:
    text = line.decode("utf-8", "replace")
    if text.startswith("-LOADING"):
        return ProbeResult(ok=False, alive=True, error="is loading its data")
    if text.startswith("-OOM"):
        error = "is full: it takes no writes until there is room (maxmemory)"
        return ProbeResult(ok=False, alive=True, error=error)
    if text.startswith("-"):
        return ProbeResult(ok=False, alive=True, error=f"refuses us: {text[1:120]}")
    return ProbeResult(ok=False, stranger=True, error="what answers there is no Redis")
