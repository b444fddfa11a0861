"""What it means that libcurl failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curl_cffi import CurlECode, CurlInfo

from sites.fetch.answer import Failed
from sites.fetch.kind import Kind
from sites.fetch.status import judge_proxy

if TYPE_CHECKING:
    from curl_cffi import Curl

    from proxies.model import Proxy

#: The body is not packed as announced.
BROKEN_PACKING = frozenset({CurlECode.BAD_CONTENT_ENCODING, CurlECode.WRITE_ERROR})

_MEANINGS = {
    CurlECode.OK: (Kind.CONNECT, "closed within its answer"),  # it is content with half a head
    CurlECode.COULDNT_RESOLVE_HOST: (Kind.DNS, "the name is not known"),
    CurlECode.PEER_FAILED_VERIFICATION: (Kind.TLS, "certificate verify failed"),
    CurlECode.SSL_CONNECT_ERROR: (Kind.TLS, "no handshake"),
    CurlECode.SSL_CIPHER: (Kind.TLS, "no handshake"),
    CurlECode.OPERATION_TIMEDOUT: (Kind.TIMEOUT, "no connection in time"),
    CurlECode.UNSUPPORTED_PROTOCOL: (Kind.PROTOCOL, "the answer is no HTTP"),
    CurlECode.WEIRD_SERVER_REPLY: (Kind.PROTOCOL, "the answer is no HTTP"),
}
_HUNG_UP = "hung up in its handshake"
_UNREACHED = frozenset({CurlECode.COULDNT_CONNECT, CurlECode.COULDNT_RESOLVE_PROXY})
#: A tunnel that does not come about in time may wait for the site.
_NOT_THERE = _UNREACHED | {CurlECode.OPERATION_TIMEDOUT}
_BROKEN_OFF = frozenset({CurlECode.RECV_ERROR, CurlECode.SEND_ERROR, CurlECode.GOT_NOTHING})
#: What a SOCKS proxy says of the site, not of us (CURLPX_REPLY_* and CURLPX_REQUEST_FAILED).
_OF_THE_SITE = range(17, 27)
_NEVER = 0.0


def meaning(code: int, curl: Curl, proxy: Proxy | None, *, begun: bool) -> Failed:
    """Say what `code` means; `begun` when the head of an answer was there.

    No message of libcurl is handed on: it may name a proxy with its password.
    """
    if begun:
        return Failed(Kind.PROTOCOL, "the body is shorter than announced")
    return (_of_proxy(code, curl, proxy) if proxy else None) or _of_site(code, curl)


def _of_proxy(code: int, curl: Curl, proxy: Proxy) -> Failed | None:
    """Say what it means for the way to the site; None when there was one, or nobody knows."""
    if code == CurlECode.PROXY:
        return _of_socks(curl)
    status = int(curl.getinfo(CurlInfo.HTTP_CONNECTCODE) or 0)  # type: ignore[arg-type]
    if status:
        return None if 200 <= status < 300 else judge_proxy(status)  # noqa: PLR2004
    if code in (_UNREACHED if proxy.scheme != "http" else _NOT_THERE):
        return Failed(Kind.PROXY, "cannot be reached")
    tunnelling = proxy.scheme == "https" and curl.getinfo(CurlInfo.NUM_CONNECTS)
    return Failed(Kind.PROXY, _HUNG_UP) if tunnelling and code in _BROKEN_OFF else None


def _of_socks(curl: Curl) -> Failed:
    doubt = Kind.CONNECT if curl.getinfo(CurlInfo.PROXY_ERROR) in _OF_THE_SITE else None
    return Failed(Kind.PROXY, "refused to connect us", doubt=doubt)


def _of_site(code: int, curl: Curl) -> Failed:
    if code in (CurlECode.COULDNT_CONNECT, *_BROKEN_OFF):
        connected = curl.getinfo(CurlInfo.CONNECT_TIME) != _NEVER
        return Failed(Kind.CONNECT, "closed without an answer" if connected else "no connection")
    kind, detail = _MEANINGS.get(CurlECode(code), (Kind.PROTOCOL, f"libcurl's error {int(code)}"))
    return Failed(kind, detail)
