"""Is it ready, is it alive? Probes that never make the supervisor's loop wait."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from orchestrator.core import mark
from orchestrator.core.resp import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.supervise.service import ProbeSpec


#: More than this before the first end of a line is no Redis, in bytes.
LONGEST_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found: `ok` is ready; `alive` without `ok` is busy (a Redis that loads its data).

    `stranger` means that something answered which is not what we look for.
    """

    ok: bool
    error: str = ""
    alive: bool = False
    absent: bool = False
    stranger: bool = False
    latency_ms: float | None = None


class Probe(Protocol):
    """One question at a time: `begin`, then `poll` until there is a result."""

    def begin(self, now: float, launch: str) -> None:
        """Ask; `launch` names the start of the service that must answer."""
        ...

    def poll(self, now: float) -> ProbeResult | None:
        """The answer, or None while it may still come."""
        ...

    def cancel(self) -> None:
        """Forget the question."""
        ...


class RedisProbe:
    """PING over a fresh connection; the loop's selector wakes when something happens on it.

    TLS (rediss://) is only connected to, which says that the port is open: such a server is never ours
    to manage.
    """

    def __init__(self, spec: ProbeSpec, selector: selectors.BaseSelector) -> None:
        self._spec = spec
        self._selector = selector
        self._socket: socket.socket | None = None
        self._began = 0.0
        self._result: ProbeResult | None = None
        self._sent = False
        self._seen = b""

    def begin(self, now: float, launch: str) -> None:  # noqa: ARG002  (a PING needs no name)
        """Connect, without waiting for it."""
        self.cancel()
        self._began, self._result, self._sent, self._seen = now, None, False, b""
        parts = urlsplit(self._spec.target)
        over_unix = parts.scheme == "unix"
        host = parts.hostname or ""
        tcp = socket.AF_INET6 if ":" in host else socket.AF_INET
        address = unquote(parts.path) if over_unix else (host, parts.port or 6379)
        try:
            client = self._socket = socket.socket(socket.AF_UNIX if over_unix else tcp)
            client.setblocking(False)
            code = client.connect_ex(address)
        except OSError as error:  # a name that does not resolve, or too many open files
            self._finish(ProbeResult(ok=False, error=str(error), absent=True))
            return
        if code in (0, errno.EINPROGRESS):
            self._selector.register(client, selectors.EVENT_WRITE, None)
        else:
            self._refused(code)

    def poll(self, now: float) -> ProbeResult | None:
        """Go as far as possible without waiting."""
        if self._result is None and self._socket is not None:
            try:
                self._advance(self._socket, now)
            except BlockingIOError:
                pass
            except OSError as error:
                self._refused(error.errno or 0)
        if self._result is None and now - self._began >= self._spec.timeout_s:
            text = f"no answer within {self._spec.timeout_s:g} s"
            self._finish(ProbeResult(ok=False, error=text))
        return self._result

    def cancel(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _advance(self, client: socket.socket, now: float) -> None:
        if not self._sent and not self._connected(client, now):
            return
        data = client.recv(4096)
        self._seen += data
        lines = self._seen.split(b"\r\n")[:-1]
        expected = 2 if urlsplit(self._spec.target).password else 1
        wrong = [line for line in lines if line[:1] != b"+"]
        if data and len(lines) < expected and not wrong and len(self._seen) < LONGEST_ANSWER:
            return
        self._finish(_judge(wrong[0] if wrong else b"".join(lines[-1:]), now - self._began))

    def _connected(self, client: socket.socket, now: float) -> bool:
        """Send the question once the connection stands; tell whether an answer may come."""
        code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._refused(code)
            return False
        client.send(self._question())
        self._sent = True
        self._selector.modify(client, selectors.EVENT_READ, None)
        if urlsplit(self._spec.target).scheme == "rediss":
            self._finish(ProbeResult(ok=True, latency_ms=_ms(now - self._began)))
        return self._result is None

    def _question(self) -> bytes:
        parts = urlsplit(self._spec.target)
        if not parts.password:
            return encode("PING")
        user = [unquote(parts.username)] if parts.username else []
        return encode("AUTH", *user, unquote(parts.password)) + encode("PING")

    def _refused(self, code: int) -> None:
        absent = code in (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN)
        text = "nobody listens there" if absent else errno.errorcode.get(code, str(code))
        self._finish(ProbeResult(ok=False, error=text, absent=absent))

    def _finish(self, result: ProbeResult) -> None:
        self._result = result
        self.cancel()


class MarkProbe:
    """Reads the mark that the service writes about itself, and judges its age and its canary."""

    def __init__(self, spec: ProbeSpec) -> None:
        self._spec = spec
        self._result: ProbeResult | None = None

    def begin(self, now: float, launch: str) -> None:
        """Read the file; the answer is there at once."""
        facts = mark.read(Path(self._spec.target))
        self._result = judge_mark(facts, launch, now, self._spec.max_age_s)

    def poll(self, now: float) -> ProbeResult | None:  # noqa: ARG002  (the answer is there)
        """What `begin` found."""
        return self._result

    def cancel(self) -> None:
        """Nothing is open."""


def judge_mark(
    facts: dict[str, object] | None, launch: str, now: float, max_age_s: float
) -> ProbeResult:
    """Decide what a mark says: not there yet, of an earlier start, too old, deaf, or fine.

    A canary on its way is judged only while the service shows a free slot: a busy worker is not deaf.
    """
    if not facts or facts.get("launch") != launch:
        return ProbeResult(ok=False, error="no mark yet", absent=True)
    age = now - _number(facts.get("at"))
    if age > max_age_s:
        return ProbeResult(ok=False, error=f"no sign of life for {age:.0f} s")
    free = _number(facts.get("slots", 1)) - _number(facts.get("active", 0))
    waits = _number(facts.get("canary_waits_s", 0))
    if free > 0 and waits > max_age_s:
        return ProbeResult(ok=False, error=f"takes no work: a canary waits since {waits:.0f} s")
    return ProbeResult(ok=True, latency_ms=_ms(age))


def make_probe(spec: ProbeSpec, selector: selectors.BaseSelector) -> Probe:
    """Return the probe that `spec` declares."""
    kinds: dict[str, Callable[[], Probe]] = {
        "redis": lambda: RedisProbe(spec, selector),
        "mark": lambda: MarkProbe(spec),
    }
    return kinds[spec.kind]()


def _judge(line: bytes, took: float) -> ProbeResult:
    text = line.decode("utf-8", "replace")
    if text == "+PONG":
        return ProbeResult(ok=True, latency_ms=_ms(took))
    if text.startswith("-LOADING"):
        return ProbeResult(ok=False, alive=True, error="is loading its data")
    if text.startswith("-"):
        return ProbeResult(ok=False, alive=True, error=f"refuses us: {text[1:120]}")
    return ProbeResult(ok=False, stranger=True, error="what answers there is no Redis")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
