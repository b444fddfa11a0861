"""HTTP answers, read strictly."""

from __future__ import annotations

import gzip
import zlib

import pytest

from proxies.check.dial import LARGEST_HEAD
from proxies.check.line import HungUp, LineError, TooMuch
from proxies.check.wire import LARGEST_BODY, Page, Response, read
from proxies.model import parse
from tests.support.scripted import told


def reading(raw: bytes) -> Response:
    return told(raw, read)[0]


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
        b"HTTP/1.0 200\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=1\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\nContent-Length: 5\n\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX-Long: 1\r\n\t2\r\nContent-Length:5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello", mtime=0),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"),
    ],
)
def test_a_body_is_read_to_its_promised_end(raw: bytes) -> None:
    assert reading(raw).body == b"hello"


def test_names_of_headers_are_in_lower_case_and_values_without_blanks() -> None:
    raw = b"HTTP/1.1 404 No\r\nX-One:  1 \r\nCONTENT-LENGTH: 0\r\n\r\n"

    assert reading(raw) == Response(404, {"x-one": "1", "content-length": "0"}, b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"220 smtp ESMTP\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n goes on with nothing\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    ],
)
def test_anything_else_is_no_http(raw: bytes) -> None:
    with pytest.raises(LineError, match="not HTTP"):
        reading(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nX: 1\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
        + gzip.compress(b"hello", mtime=0)[:-4],
    ],
)
def test_an_answer_that_is_shorter_than_promised_is_none(raw: bytes) -> None:
    with pytest.raises(LineError, match="half an answer"):
        reading(raw)


@pytest.mark.parametrize("coding", [b"gzip", b"br"])
def test_what_cannot_be_unpacked_is_no_answer(coding: bytes) -> None:
    with pytest.raises(LineError, match="an unknown encoding"):
        reading(b"HTTP/1.1 200 OK\r\nContent-Encoding: " + coding + b"\r\n\r\nhello")


def test_of_a_refusal_only_the_head_is_read() -> None:
    raw = b"HTTP/1.1 405 No\r\nContent-Length: 900000\r\n\r\nnever the end of it"

    assert reading(raw) == Response(405, {"content-length": "900000"}, b"")


def test_whoever_says_nothing_at_all_hangs_up() -> None:
    with pytest.raises(HungUp):
        reading(b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (LARGEST_BODY + 1),
        b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LARGEST_BODY + 1),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + (b"8000\r\n" + bytes(32_768) + b"\r\n") * 3,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 2000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (LARGEST_HEAD + 10),
        b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 300,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
        + gzip.compress(bytes(9_000_000), mtime=0),
        b"HTTP/1.1 100 Continue\r\n\r\n" * 6000,
    ],
)
def test_nobody_says_more_than_there_is_room_for(raw: bytes) -> None:
    with pytest.raises(TooMuch):
        reading(raw)


def test_a_request_through_a_proxy_is_absolute_and_carries_its_credentials() -> None:
    page = Page.of("http://judge.example:81/get?show=all")

    direct = page.request("n1").decode()
    through = page.beside("/page").request(via=parse("http://ann:pw@10.0.0.1:80")).decode()

    assert direct.startswith("GET /get?show=all&nonce=n1 HTTP/1.1\r\nHost: judge.example:81\r\n")
    assert direct.endswith("\r\n\r\n")
    assert through.startswith("GET http://judge.example:81/page HTTP/1.1\r\n")
    assert "Proxy-Authorization: Basic YW5uOnB3\r\n" in through
    assert "Proxy-Authorization" not in direct


@pytest.mark.parametrize(
    ("url", "host", "port", "secure"),
    [
        ("http://judge.example/", "judge.example", 80, False),
        ("https://judge.example", "judge.example", 443, True),
        ("https://[2001:db8::1]:81/x", "2001:db8::1", 81, True),
    ],
)
def test_where_a_page_is(url: str, host: str, port: int, *, secure: bool) -> None:
    page = Page.of(url)

    assert (page.target.host, page.target.port, page.secure) == (host, port, secure)
    assert page.url == url if "/x" in url else page.url.rstrip("/") == url.rstrip("/")
