"""HTTP answers, read strictly."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from proxies.model import parse
from proxies.wire import LARGEST_BODY, LARGEST_HEAD, Response, WireError, read, request


def reading(raw: bytes) -> Response:
    async def read_it() -> Response:
        reader = asyncio.StreamReader(limit=LARGEST_HEAD)
        reader.feed_data(raw)
        reader.feed_eof()
        return await read(reader)

    return asyncio.run(read_it())


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
        b"HTTP/1.0 200\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\n\r\n",
    ],
)
def test_a_body_is_read_to_its_promised_end(raw: bytes) -> None:
    assert reading(raw).body == b"hello"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"220 smtp ESMTP\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY + 1),
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LARGEST_BODY + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (LARGEST_HEAD + 10),
        b"x" * 3 * LARGEST_HEAD,
    ],
)
def test_anything_else_is_refused(raw: bytes) -> None:
    with pytest.raises(WireError):
        reading(raw)


def test_a_request_through_a_proxy_is_absolute_and_carries_its_credentials() -> None:
    url = urlsplit("http://judge.example:81/get?nonce=1")

    direct = request(url).decode()
    through = request(url, via=parse("http://ann:pw@10.0.0.1:80")).decode()

    assert direct.startswith("GET /get?nonce=1 HTTP/1.1\r\nHost: judge.example:81\r\n")
    assert through.startswith("GET http://judge.example:81/get?nonce=1 HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic YW5uOnB3\r\n" in through
    assert "Proxy-Authorization" not in direct
