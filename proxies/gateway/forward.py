"""Heads as they are sent on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxies.check.dial import credentials
from proxies.gateway.body import Chunked, Endless, Sized

if TYPE_CHECKING:
    from proxies.gateway.address import Url
    from proxies.gateway.body import Body
    from proxies.gateway.head import Answer, Request
    from proxies.model import Proxy

_UPGRADE = b"Connection: Upgrade\r\nUpgrade: "


def request_head(request: Request, url: Url, proxy: Proxy, *, tunnel: bool) -> bytes:
    """A request for an upstream: with the whole URL, or inside a tunnel with the path alone."""
    if tunnel:
        start = b"%s %s HTTP/1.1\r\nHost: %s" % (request.method, url.path, url.authority)
    else:
        start = b"%s http://%s%s HTTP/1.1\r\nHost: %s" % (
            request.method,
            url.authority,
            b"" if url.path == b"*" else url.path,
            url.authority,
        )
    head = b"\r\n".join([start, *request.lines, b""])
    if request.chunked:
        head += b"Transfer-Encoding: chunked\r\n"
    elif request.length is not None:
        head += b"Content-Length: %d\r\n" % request.length
    if request.upgrade:
        head += _UPGRADE + request.upgrade + b"\r\n"
    if proxy.username and not tunnel:
        head += credentials(proxy).encode()
    return head + b"\r\n"


def answer_head(answer: Answer, request: Request, body: Body, *, keep: bool) -> bytes:
    """An answer for the client, whose connection stays open behind it with `keep`."""
    head = b"\r\n".join([b"HTTP/1.1" + answer.start[8:], *answer.lines, b""])
    if answer.upgrade and answer.status == 101:  # noqa: PLR2004  (Switching Protocols)
        return head + _UPGRADE + answer.upgrade + b"\r\n\r\n"
    if isinstance(body, Chunked):
        if body.plain is None:
            head += b"Transfer-Encoding: chunked\r\n"
    elif answer.length is not None and not isinstance(body, Endless):
        head += b"Content-Length: %d\r\n" % answer.length
    if not keep:
        head += b"Connection: close\r\n"
    elif not request.version:
        head += b"Connection: keep-alive\r\n"
    return head + b"\r\n"


def interim_head(answer: Answer) -> bytes:
    """An answer that is not the last one."""
    return b"\r\n".join([b"HTTP/1.1" + answer.start[8:], *answer.lines, b"", b""])


def empty(body: Body) -> bool:
    """Whether nothing follows the head."""
    return isinstance(body, Sized) and body.done
