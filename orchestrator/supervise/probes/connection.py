"""A probe over a fresh connection; the loop's selector wakes when something happens on it."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from orchestrator.supervise.probes.result import ProbeResult

if TYPE_CHECKING:
    from orchestrator.supervise.service import ProbeSpec

#: More than this before an answer is complete is none of ours, in bytes.
LONGEST_ANSWER = 4096

Address = str | tuple[str, int]


class ConnectionProbe(ABC):
    """Connects, sends `question` and judges what comes back."""

    def __init__(self, spec: ProbeSpec, selector: selectors.BaseSelector, address: Address) -> None:
        self._spec = spec
        self._selector = selector
        self._address = address
        self._socket: socket.socket | None = None
        self._began = 0.0
        self._result: ProbeResult | None = None
        self._sent = False
        self._seen = b""
        self._kind = _family(address)

    @abstractmethod
    def question(self) -> bytes:
        """What to send; nothing: that it connects is the answer."""

    @abstractmethod
    def answer(self, seen: bytes, took: float, *, ended: bool) -> ProbeResult | None:
        """Judge what has come so far; None: more is needed. `ended`: nothing more will come."""

    def reset(self, *, fresh: bool) -> None:  # noqa: B027  (another start is asked alike)
        """Nothing is remembered from one question to the next."""

    def begin(self, now: float, launch: str) -> None:  # noqa: ARG002  (an address needs no name)
        """Connect, without waiting for it."""
        self.cancel()
        self._began, self._result, self._sent, self._seen = now, None, False, b""
        try:
            client = self._socket = socket.socket(self._kind)
            client.setblocking(False)
            code = client.connect_ex(self._address)
        except OSError as error:  # a name that does not resolve, or too many open files
            self._finish(ProbeResult(ok=False, error=str(error), absent=True))
            return
        if code == 0:
            self._ask(client)
        elif code == errno.EINPROGRESS:
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

    def _ask(self, client: socket.socket) -> None:
        question = self.question()
        try:
            if question:
                client.send(question)
        except OSError as error:
            self._refused(error.errno or 0)
            return
        self._sent = True
        if not question:
            self._finish(self.answer(b"", 0.0, ended=False))
            return
        self._selector.register(client, selectors.EVENT_READ, None)

    def _advance(self, client: socket.socket, now: float) -> None:
        if not self._sent:
            code = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._refused(code)
                return
            client.getpeername()  # raises as long as the connection is on its way
            self._selector.unregister(client)
            self._ask(client)
            return
        data = client.recv(LONGEST_ANSWER)
        self._seen += data
        ended = not data or len(self._seen) >= LONGEST_ANSWER
        self._finish(self.answer(self._seen, now - self._began, ended=ended))

    def _refused(self, code: int) -> None:
        if code == errno.ENOTCONN:  # still connecting
            return
        absent = code in (errno.ECONNREFUSED, errno.ENOENT)
        text = "nobody listens there" if absent else errno.errorcode.get(code, str(code))
        if code == errno.EAGAIN:  # of a Unix socket: who listens there does not accept
            text = "it accepts no connection"
        self._finish(ProbeResult(ok=False, error=text, absent=absent))

    def _finish(self, result: ProbeResult | None) -> None:
        if result is not None:
            self._result = result
            self.cancel()


def _family(address: Address) -> int:
    if isinstance(address, str):
        return socket.AF_UNIX
    return socket.AF_INET6 if ":" in address[0] else socket.AF_INET
