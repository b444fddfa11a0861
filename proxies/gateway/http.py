"""A client that speaks HTTP: requests one after the other, CONNECT, and the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from proxies.gateway import address
from proxies.gateway.access import Line
from proxies.gateway.choice import Want
from proxies.gateway.entry import NotLetIn, enter_by_header
from proxies.gateway.exchange import Exchange
from proxies.gateway.fault import Fault, Kind
from proxies.gateway.head import END, LARGEST_HEAD, BadHead, Request, read_request
from proxies.gateway.route import ANY, BadRoute, Route
from proxies.gateway.stream import HIGH, NEVER
from proxies.gateway.tries import Tries
from proxies.gateway.tunnel import Words, serve

if TYPE_CHECKING:
    from proxies.gateway.client import Client
    from proxies.gateway.setup import Setup

#: A request's head must be whole so soon after its first byte, in seconds.
HEAD_S = 10.0
#: A connection on which no request comes for so long is closed, in seconds.
KEEP_S = 75.0

#: Who has no upstream is told to ask again after so long, in seconds: by then one may work again.
RETRY_AFTER_S = 5
#: With what a request begins, if it is one at all.
_VISIBLE = b"!~"

_PHRASES = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
#: What RFC 9209 calls the reasons.
_ERRORS = {
    400: "http_request_error",
    407: "http_request_denied",
    408: "http_request_error",
    431: "http_request_error",
    501: "http_request_error",
    502: "destination_unavailable",
    503: "proxy_internal_error",
    504: "connection_timeout",
}


class Http:
    """One client's connection, for as long as it speaks HTTP."""

    __slots__ = ("_client", "_setup")

    def __init__(self, setup: Setup, client: Client) -> None:
        self._setup = setup
        self._client = client

    async def serve(self) -> None:
        """Answer request after request."""
        client = self._client
        while not self._setup.draining:
            try:
                request = await self._next()
                if request is None:
                    return
                again = await self._answer(request)
            except BadHead as error:
                self._refuse(error.status, f"{error}")
                return
            except TimeoutError:
                self._refuse(408, "the request did not come in time")
                return
            if not again:
                return
            if client.choked:
                await client.drained()

    async def _next(self) -> Request | None:
        """Read the next head; None when no more come."""
        client, time = self._client, self._setup.loop.time
        buffer = client.buffer
        _skip_empty_lines(buffer)
        if not buffer and not await self._begun():
            return None
        _skip_empty_lines(buffer)
        client.deadline = time() + HEAD_S
        while (end := buffer.find(END)) < 0:
            if len(buffer) > LARGEST_HEAD:
                break
            if buffer and not _VISIBLE[0] <= buffer[0] <= _VISIBLE[1]:
                raise BadHead("neither HTTP nor SOCKS5")
            if not await client.more():
                return None
        if not 0 <= end <= LARGEST_HEAD:
            raise BadHead(f"a head of more than {LARGEST_HEAD // 1024} KiB", 431)
        client.deadline = NEVER
        client.served += 1
        return read_request(client.take(end + len(END))[:end])

    async def _begun(self) -> bool:
        """Wait for a request to begin; False when none will.

        Raises:
            TimeoutError: not even a first one came.
        """
        client = self._client
        client.deadline = self._setup.loop.time() + (KEEP_S if client.served else HEAD_S)
        client.waits = True
        try:
            return await client.more()
        except TimeoutError:
            if client.served:
                return False
            raise
        finally:
            client.waits = False

    async def _answer(self, request: Request) -> bool:
        """Answer one request; tell whether another one may follow."""
        if request.target.startswith(b"/"):
            return await self._api(request)
        try:
            route = self._route(request)
        except (NotLetIn, BadRoute) as error:
            return self._say(407, f"{error}", request)
        if request.method == b"CONNECT":
            await self._connect(request, route)
            return False
        return await self._forward(request, route)

    def _route(self, request: Request) -> Route:
        said = request.said.get(b"proxy-authorization")
        if said is None:
            if self._setup.password:
                raise NotLetIn("a password is wanted")
            return ANY
        return enter_by_header(said, self._setup.password)

    async def _forward(self, request: Request, route: Route) -> bool:
        setup, client = self._setup, self._client
        url = address.url(request.target, request.method)
        once = not request.idempotent or (request.length or 0) > HIGH
        want = Want(route, url.target.host, sealed=False, once=once)
        tries = Tries(setup.supply, want, setup.most_tries, setup.loop.time)
        exchange = Exchange(setup, client, request, url, tries)
        started = setup.loop.time()
        status = 499  # the client went away
        try:
            again = await exchange.run()
            status = exchange.status
        except Fault as fault:
            status = exchange.status or _status(tries, fault)
            if exchange.status:
                client.abort(reset=True)  # it must not take what it has for all
                return False
            return self._say(status, self._why(tries), request)
        except BadHead as error:
            status = error.status
            raise
        finally:
            if setup.log.wanted:
                target = request.target.partition(b"?")[0].decode("latin-1")
                line = Line(client.peer, route, request.method.decode(), target, status)
                setup.log.add(line, exchange, setup.loop.time() - started)
        return again

    async def _connect(self, request: Request, route: Route) -> None:
        if request.has_body:
            raise BadHead("CONNECT has no body")

        def refused(tries: Tries, fault: Fault) -> int:
            status = _status(tries, fault)
            self._say(status, self._why(tries), request)
            return status

        granted = b"HTTP/1.1 200 Connection established\r\n\r\n"
        target = address.target(request.target)
        await serve(self._setup, self._client, route, target, Words("CONNECT", granted, refused))

    async def _api(self, request: Request) -> bool:
        reply = await self._setup.api(request)
        body = json.dumps(reply.document, separators=(",", ":")).encode() + b"\n"
        return self._send(reply.status, body, request, "application/json", reply.more)

    def _why(self, tries: Tries) -> str:
        return tries.story or self._setup.supply.shortage(tries.want)

    def _say(self, status: int, text: str, request: Request) -> bool:
        """An answer of our own: in words, and by the field that tells it from a site's."""
        more = f"Proxy-Status: orch; error={_ERRORS[status]}\r\n".encode()
        if status == 503:  # noqa: PLR2004  (Service Unavailable)
            more += b"Retry-After: %d\r\n" % RETRY_AFTER_S
        if status == 407:  # noqa: PLR2004  (Proxy Authentication Required)
            more += b'Proxy-Authenticate: Basic realm="orch gateway", charset="UTF-8"\r\n'
        return self._send(status, text.encode() + b"\n", request, "text/plain; charset=utf-8", more)

    def _send(self, status: int, body: bytes, request: Request, kind: str, more: bytes) -> bool:
        keep = request.keep and not request.has_body and not self._setup.draining
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\n"
            f"{'' if keep else 'Connection: close' + chr(13) + chr(10)}"
        ).encode()
        self._client.write(head + more + b"\r\n" + (b"" if request.method == b"HEAD" else body))
        return keep

    def _refuse(self, status: int, text: str) -> None:
        self._say(status, text, Request(keep=False))


def _status(tries: Tries, fault: Fault) -> int:
    """What a client is told when no upstream did it."""
    if not tries.tried:
        return 503
    return 504 if fault.kind is Kind.SILENT else 502


def _skip_empty_lines(buffer: bytearray) -> None:
    """Before a request they mean nothing (RFC 9112, 2.2)."""
    while buffer.startswith(b"\r\n"):
        del buffer[:2]
