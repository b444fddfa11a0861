"""A tunnel for a client: CONNECT and SOCKS5, whose bytes are nobody's business here.

Many an upstream says that the tunnel stands and then carries nothing. So the first that a client sends is
kept until the first byte comes back: as long as it is nothing but the opening of TLS, or nothing at all, it
can be said again through another upstream, and the client never knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from proxies.gateway.access import Line
from proxies.gateway.choice import Want
from proxies.gateway.fault import Fault, Kind
from proxies.gateway.pouring import pour, stop_pouring
from proxies.gateway.splice import IDLE_S, splice
from proxies.gateway.tries import Tries

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxies.check.dial import Target
    from proxies.gateway.choice import Standing
    from proxies.gateway.client import Client
    from proxies.gateway.route import Route
    from proxies.gateway.setup import Setup
    from proxies.gateway.stream import Stream

#: A client's opening that is larger is no opening of TLS, in bytes.
MOST_OPENING = 16_384
_RECORD_HEAD = 5
_HANDSHAKE = 0x16
#: What the answer to an opening of TLS begins with: an alert or a handshake.
_TLS_ANSWERS = frozenset({0x15, _HANDSHAKE})


class Words(NamedTuple):
    """How one kind of client hears what becomes of its tunnel."""

    name: str  #: in the access log
    granted: bytes
    #: Tells it that there is none; returns the status for the access log.
    refused: Callable[[Tries, Fault], int]


async def serve(setup: Setup, client: Client, route: Route, target: Target, words: Words) -> None:
    """Make a tunnel for a client, and carry it to its end."""
    want = Want(route, target.host, sealed=True)
    tries = Tries(setup.supply, want, setup.most_tries, setup.loop.time)
    tunnel = Tunnel(setup, client, target, tries)
    started = setup.loop.time()
    status = 499  # the client went away
    try:
        await tunnel.establish()
        status = 200
        client.write(words.granted)
        await tunnel.carry()
    except Fault as fault:
        if status == 200:  # noqa: PLR2004  (it stood)
            client.abort(reset=True)
        else:
            status = words.refused(tries, fault)
    finally:
        tries.end()
        if setup.log.wanted:
            line = Line(client.peer, route, words.name, target.authority, status)
            setup.log.add(line, tunnel, setup.loop.time() - started)


class Tunnel:
    """One tunnel. First `establish`, then tell the client, then `carry`."""

    __slots__ = (
        "_client",
        "_opening",
        "_seconds",
        "_setup",
        "_stream",
        "_target",
        "_waited",
        "received",
        "sent",
        "tries",
    )

    def __init__(self, setup: Setup, client: Stream, target: Target, tries: Tries) -> None:
        self._setup = setup
        self._client = client
        self._target = target
        self._stream: Stream | None = None
        self._opening = bytearray()
        self._seconds = 0.0
        self._waited = 0.0
        self.tries = tries
        self.received = self.sent = 0

    async def establish(self) -> None:
        """Have an upstream make the tunnel.

        Raises:
            Fault: none of those that were tried does.
        """
        while (standing := await self.tries.next()) is not None:
            try:
                await self._open(standing)
            except Fault as fault:
                self.tries.failed(fault)
            else:
                return
        raise self.tries.last_fault

    async def _open(self, standing: Standing) -> None:
        started = self._setup.loop.time()
        self._waited = self.tries.patience(self._setup.answer_timeout)
        proxy = standing.record.proxy
        self._stream = await self._setup.upstreams.open(proxy, self._target, self._waited)
        self._seconds = self._setup.loop.time() - started

    async def carry(self) -> None:
        """Pass bytes both ways until the end.

        Raises:
            Fault: nothing ever came back.
        """
        try:
            while (stream := self._stream) is None or not await self._opened(stream):
                self._drop()
                await self.establish()
            if stream.buffer:
                self.tries.succeeded(self._seconds)
            self.received, more = await splice(self._setup.loop, self._client, stream)
            self.sent += len(self._opening) + more
        finally:
            self._drop()
            self.tries.end()

    async def _opened(self, stream: Stream) -> bool:
        """Wait for the first byte to come back; False when another upstream must be asked.

        Raises:
            Fault: nothing came, and what the client has sent cannot be sent again.
        """
        client = self._client
        stream.write(self._opening)
        stream.deadline = self._deadline()
        client.on_eof = stream.finish
        pour(client, stream, self._send)
        try:
            if client.eof:
                stream.finish()
            came = bool(stream.buffer) or await stream.more()
        except (TimeoutError, ConnectionError) as error:
            fault = Fault(Kind.SILENT if isinstance(error, TimeoutError) else Kind.CLOSED)
            self._failed(fault, error)
            return False
        finally:
            client.on_eof = None
            stop_pouring(client, stream)
        return self._plausible(stream, came=came)

    def _plausible(self, stream: Stream, *, came: bool) -> bool:
        """Whether what came can be the target's; as for `_opened`."""
        if came and self._is_tls and stream.buffer[0] not in _TLS_ANSWERS:
            self._failed(Fault(Kind.GARBAGE, "sent no TLS"))
            return False
        if not came and not self._client.eof:
            self._failed(Fault(Kind.CLOSED, "closed the tunnel before anything came back"))
            return False
        return True

    def _failed(self, fault: Fault, error: Exception | None = None) -> None:
        again = self._repeatable and self.tries.more()
        self.tries.failed(fault)
        if not again:
            raise fault from error

    def _send(self, data: bytes) -> None:
        stream = self._stream
        assert stream is not None  # noqa: S101  (it stands)
        if len(self._opening) <= MOST_OPENING:
            self._opening += data
        else:
            self.sent += len(data)
        stream.write(data)
        stream.deadline = self._deadline()

    def _deadline(self) -> float:
        """An opening of TLS is answered at once; what else is said may have to wait for its answer."""
        if not self._is_tls:
            return self._setup.loop.time() + IDLE_S
        patience = self._waited if self._repeatable else self._setup.answer_timeout
        return self._setup.loop.time() + patience

    @property
    def _is_tls(self) -> bool:
        return bool(self._opening) and self._opening[0] == _HANDSHAKE

    @property
    def _repeatable(self) -> bool:
        """Whether all that the client has said asks for nothing yet: records of the handshake alone."""
        said, place = self._opening, 0
        if len(said) > MOST_OPENING or self._client.eof:
            return False
        while place < len(said):
            if said[place] != _HANDSHAKE:
                return False
            place += _RECORD_HEAD + int.from_bytes(said[place + 3 : place + 5], "big")
        return True

    def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None and not stream.closing:
            stream.abort()
