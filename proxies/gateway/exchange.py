"""One plain HTTP request and its answer: through up to four upstreams, the body streamed both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies.gateway import body as bodies
from proxies.gateway.asking import SWITCHING, Asking
from proxies.gateway.fault import Fault, Kind
from proxies.gateway.forward import answer_head, request_head
from proxies.gateway.head import BadHead
from proxies.gateway.holding import held, taken
from proxies.gateway.splice import splice
from proxies.gateway.transfer import Download, Upload
from proxies.pool.picker import Outcome

if TYPE_CHECKING:
    from proxies.check.dial import Target
    from proxies.gateway.address import Url
    from proxies.gateway.choice import Standing
    from proxies.gateway.head import Answer, Request
    from proxies.gateway.setup import Setup
    from proxies.gateway.stream import Stream
    from proxies.gateway.tries import Tries
    from proxies.model import Proxy

_UNAUTHORIZED = 401
_CREDENTIALS = 407
#: What a proxy says when it cannot reach the target, or the target's own front when it is down.
_UNABLE = frozenset({502, 503, 504})
#: So many upstreams that are known to work must say so before a client is told, if there are others to ask.
_AGREED = 2
#: Schemes by which not a request but a connection is let in: one that was may not serve others.
_OF_CONNECTION = (b"ntlm", b"negotiate")


class Exchange:
    """One request. `run` is called once."""

    __slots__ = (
        "_asking",
        "_client",
        "_request",
        "_setup",
        "_stream",
        "_unable",
        "_upload",
        "_url",
        "_waited",
        "received",
        "status",
        "tries",
    )

    def __init__(
        self, setup: Setup, client: Stream, request: Request, url: Url, tries: Tries
    ) -> None:
        self._setup = setup
        self._client = client
        self._request = request
        self._url = url
        self._upload = Upload(setup.loop, client, bodies.of_request(request))
        self._asking = Asking(setup.loop, client, request, self._upload)
        self._stream: Stream | None = None
        self._unable = 0
        self._waited = 0.0
        self.tries = tries
        self.status = 0  #: of the answer, once it began to go back to the client
        self.received = 0

    @property
    def sent(self) -> int:
        """Bytes of the request's body."""
        return self._upload.sent

    async def run(self) -> bool:
        """Answer the client; tell whether its connection can be used for another request.

        Raises:
            Fault: no upstream gave an answer; with a `status` the client has a part of one.
            BadHead: the client's body was broken.
        """
        try:
            while (standing := await self.tries.next()) is not None:
                try:
                    return await self._through(standing)
                except Fault as fault:
                    if self._upload.broken:
                        raise BadHead(self._upload.broken) from fault
                    self.tries.failed(fault)
                    if not self._repeatable(fault):
                        raise
                finally:
                    self._drop()
            raise self.tries.last_fault
        finally:
            self.tries.end()

    def _repeatable(self, fault: Fault) -> bool:
        if self.status or not self._upload.repeatable:
            return False
        return self._request.idempotent or not fault.sent

    async def _through(self, standing: Standing) -> bool:
        """One try."""
        proxy, time = standing.record.proxy, self._setup.loop.time
        tunnel = None if proxy.scheme == "http" else self._url.target
        self._waited = self.tries.patience(self._setup.answer_timeout)
        started = time()
        answer, stream = await self._asked(proxy, tunnel)
        seconds = time() - started
        self._judge(answer, standing, of_proxy=tunnel is None)
        if answer.status == SWITCHING:
            return await self._switch(answer, stream, seconds)
        body = await self._deliver(answer, stream)
        self._learn(answer, seconds)
        if answer.keep and self._reusable(answer, body):
            self._setup.upstreams.keep(proxy, tunnel, stream)
            self._stream = None
        return self._keeps(body)

    async def _asked(self, proxy: Proxy, tunnel: Target | None) -> tuple[Answer, Stream]:
        """Ask over a connection that is there, or that is made.

        One that was kept may turn out to have been closed meanwhile: that is nobody's fault.
        """
        head = request_head(self._request, self._url, proxy, tunnel=tunnel is not None)
        upstreams, upload = self._setup.upstreams, self._upload
        stream = upstreams.idle(proxy, tunnel) if self._request.idempotent else None
        if stream is not None:
            self._stream = stream
            try:
                return await self._asking.ask(stream, head, self._waited), stream
            except Fault as fault:
                if fault.kind is not Kind.CLOSED or not upload.repeatable or upload.broken:
                    raise
            self._drop()
        self._stream = stream = await upstreams.open(proxy, tunnel, self._waited)
        return await self._asking.ask(stream, head, self._waited), stream

    def _judge(self, answer: Answer, standing: Standing, *, of_proxy: bool) -> None:
        """Whether the answer may be the upstream's own."""
        if not of_proxy:
            return  # through a tunnel only the site speaks
        if answer.status == _CREDENTIALS:
            raise Fault(Kind.CREDENTIALS)
        if answer.status in _UNABLE and self._request.idempotent:
            self._unable += standing.proven
            if self._unable < _AGREED and self._upload.repeatable and self.tries.more():
                raise Fault(Kind.UNABLE, f"answered {answer.status}", sent=True)

    async def _deliver(self, answer: Answer, stream: Stream) -> bodies.Body:
        """Send the answer to the client."""
        request = self._request
        plain = None if request.version else bytearray()
        body = bodies.of_answer(answer, request.method, plain=plain)
        if request.idempotent and self._upload.repeatable:
            begin = await held(self._setup.loop, answer, body, stream)
        else:
            begin = taken(body, stream)
        self.status = answer.status
        self._client.write(answer_head(answer, request, body, keep=self._keeps(body)) + begin)
        self.received = len(begin)
        if not body.done:
            await self._stream_on(body, stream)
        return body

    def _learn(self, answer: Answer, seconds: float) -> None:
        if answer.status in self._setup.banned:
            self.tries.succeeded(seconds, Outcome.BANNED)
        elif answer.status not in _UNABLE:
            self.tries.succeeded(seconds)

    async def _switch(self, answer: Answer, stream: Stream, seconds: float) -> bool:
        """The connection is no longer one of HTTP."""
        self.status = answer.status
        self._client.write(answer_head(answer, self._request, bodies.Sized(0), keep=True))
        self.tries.succeeded(seconds)
        self.received, _ = await splice(self._setup.loop, self._client, stream)
        return False

    async def _stream_on(self, body: bodies.Body, stream: Stream) -> None:
        download = Download(self._setup.loop, stream, self._client, body)
        try:
            whole = await download.run()
        except TimeoutError as error:
            if self._client.choked:
                self._client.abort(reset=True)  # it must not take what it has for all
                raise ConnectionResetError("the client takes nothing") from error
            whole = False
        finally:
            self.received += download.sent
        if not whole:
            raise Fault(Kind.CUT, sent=True)

    def _keeps(self, body: bodies.Body) -> bool:
        """Whether the client's connection stays open."""
        if not self._request.keep or not self._upload.body.done or self._setup.draining:
            return False
        if isinstance(body, bodies.Chunked):
            return bool(self._request.version)
        return not isinstance(body, bodies.Endless)

    def _reusable(self, answer: Answer, body: bodies.Body) -> bool:
        """Whether the upstream's connection may serve somebody else's request."""
        if isinstance(body, bodies.Endless) or not self._upload.body.done:
            return False
        if answer.status == _UNAUTHORIZED and _names(answer.lines, b"www-authenticate"):
            return False
        return not _names(self._request.lines, b"authorization")

    def _drop(self) -> None:
        if self._stream is not None:
            if not self._stream.closing:
                self._stream.abort()
            self._stream = None


def _names(lines: list[bytes], field: bytes) -> bool:
    """Whether a field lets in a whole connection."""
    for line in lines:
        name, _, value = line.partition(b":")
        if name.lower() == field and value.strip(b" \t").lower().startswith(_OF_CONNECTION):
            return True
    return False
