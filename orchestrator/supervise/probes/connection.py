"""A probe over a fresh connection; the loop's selector wakes when something happens on it."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from orchestrator.supervise.probes.place import Address, Place, Whereabouts
from orchestrator.supervise.probes.result import ProbeResult, could_not_ask

if TYPE_CHECKING:
    from orchestrator.supervise.service import ProbeSpec

#: More than this before an answer is complete is none of ours, in bytes.
LONGEST_ANSWER = 4096


class ConnectionProbe(ABC):
    """Connects, sends `question` and judges what comes back."""

    def __init__(self, spec: ProbeSpec, selector: selectors.BaseSelector, address: Address) -> None:
        self._spec = spec
        self._selector = selector
        self._whereabouts = Whereabouts(address, selector)
        self._socket: socket.socket | None = None
        self._began = 0.0
        self._result: ProbeResult | None = None
        self._sent = False
        self._seen = b""
        self._awaits_place = False

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
        self._whereabouts.hear()
        self._awaits_place = self._whereabouts.place is None
        if self._whereabouts.place is not None:
            self._connect(self._whereabouts.place)
            return
        self._whereabouts.renew(now)
        self._whereabouts.watch()
        self._look_where()

    def poll(self, now: float) -> ProbeResult | None:
        """Go as far as possible without waiting."""
        if self._result is None and self._awaits_place:
            self._look_where()
        if self._result is None and self._socket is not None:
            self._go_on(self._socket, now)
        if self._result is None and now - self._began >= self._spec.timeout_s:
            of_whom = " of the resolver" if self._awaits_place else ""
            text = f"no answer{of_whom} within {self._spec.timeout_s:g} s"
            self._finish(ProbeResult(ok=False, error=text))
        return self._result

    def cancel(self) -> None:
        """Close the connection."""
        self._whereabouts.ignore()
        self._awaits_place = False
        if self._socket is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _look_where(self) -> None:
        """Connect as soon as it is known where to."""
        if not self._whereabouts.hear():
            return
        self._awaits_place = False
        if self._whereabouts.place is not None:
            self._connect(self._whereabouts.place)
        else:
            self._finish(ProbeResult(ok=False, error=self._whereabouts.error, absent=True))

    def _connect(self, place: Place) -> None:
        try:
            client = self._socket = socket.socket(place[0])
            client.setblocking(False)
            code = client.connect_ex(place[1])
        except OSError as error:  # too many open files, or a path that is too long
            self._finish(could_not_ask(error, absent=True))
            return
        if code == 0:
            self._ask(client)
        elif code == errno.EINPROGRESS:
            self._selector.register(client, selectors.EVENT_WRITE, None)
        else:
            self._refused(code)

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

    def _go_on(self, client: socket.socket, now: float) -> None:
        try:
            self._advance(client, now)
        except BlockingIOError:
            pass
        except OSError as error:
            self._refused(error.errno or 0)

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
            if not (result.ok or result.alive):
                self._whereabouts.renew(self._began)  # it may have moved
