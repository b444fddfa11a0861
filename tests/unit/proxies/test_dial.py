"""What is said to a proxy for a tunnel, byte by byte, and what is made of its answers."""

from __future__ import annotations

import pytest

from proxies.check.dial import LARGEST_HEAD, NotLetIn, Refused, Target, tunnel
from proxies.check.line import HungUp, Line, LineError, TooMuch
from proxies.model import parse
from tests.support.scripted import told

NAMED, NUMBERED = Target("judge.example", 443), Target("192.0.2.7", 80)
YES4, YES5 = b"\0\x5a" + bytes(6), b"\x05\0\0\x01" + bytes(6)
OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


def dialling(url: str, target: Target, answer: bytes) -> tuple[bytes, bytes]:
    """What we said, and what is left over once the tunnel is there."""

    async def run(line: Line) -> bytes:
        await tunnel(line, parse(url), target)
        return await line.some()

    left, said = told(answer, run)
    return said, left


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_connect(scheme: str) -> None:
    said, left = dialling(f"{scheme}://ann:pw@10.0.0.1:80", NAMED, OK + b"early")

    assert said.startswith(b"CONNECT judge.example:443 HTTP/1.1\r\nHost: judge.example:443\r\n")
    assert b"\r\nProxy-Authorization: Basic YW5uOnB3\r\n" in said
    assert said.endswith(b"\r\n\r\n")
    assert left == b"early"


@pytest.mark.parametrize(
    "yes",
    [
        b"HTTP/1.0 200 OK\n\n",
        b"HTTP/1.0 200 OK\n\r\n",
        b"HTTP/1.1 204\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_every_yes_to_connect_is_one_whatever_its_headers_say(yes: bytes) -> None:
    assert dialling("https://10.0.0.1:80", NAMED, yes + b"early")[1] == b"early"


def test_connect_without_credentials_and_to_an_ipv6_address() -> None:
    said, _ = dialling("https://10.0.0.1:80", Target("2001:db8::1", 80), OK)

    assert said == b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"


def test_socks4_by_address_and_by_name() -> None:
    url = "socks4://bob@10.0.0.1:1080"

    assert dialling(url, NUMBERED, YES4)[0] == b"\x04\x01\0\x50\xc0\0\x02\x07bob\0"
    by_name = b"\x04\x01\x01\xbb\0\0\0\x01bob\0judge.example\0"
    assert dialling(url, NAMED, YES4)[0] == by_name
    forced = NUMBERED._replace(by_name=True)
    assert dialling(url, forced, YES4)[0] == b"\x04\x01\0\x50\0\0\0\x01bob\x00192.0.2.7\0"


@pytest.mark.parametrize(
    "bound", [b"\x01" + bytes(6), b"\x04" + bytes(18), b"\x03\x0bzoo.example" + bytes(2)]
)
def test_socks5_whatever_address_it_is_bound_to(bound: bytes) -> None:
    answer = b"\x05\0" + b"\x05\0\0" + bound + b"first"

    said, left = dialling("socks5://10.0.0.1:1080", NAMED, answer)

    assert said == b"\x05\x01\0" + b"\x05\x01\0\x03\x0djudge.example\x01\xbb"
    assert left == b"first"


@pytest.mark.parametrize(
    ("host", "written"),
    [("192.0.2.7", b"\x01\xc0\0\x02\x07"), ("2001:db8::1", b"\x04\x20\x01\x0d\xb8" + bytes(11))],
)
def test_socks5_is_told_addresses_as_such(host: str, written: bytes) -> None:
    said, _ = dialling("socks5://10.0.0.1:1080", Target(host, 80), b"\x05\0" + YES5)

    assert said[3:].startswith(b"\x05\x01\0" + written)


def test_socks5_is_told_credentials_when_it_asks() -> None:
    url = "socks5://ann:pw@10.0.0.1:1080"

    asked, _ = dialling(url, NUMBERED, b"\x05\x02" + b"\x01\0" + YES5)
    not_asked, _ = dialling(url, NUMBERED, b"\x05\0" + YES5)

    assert asked.startswith(b"\x05\x02\0\x02" + b"\x01\x03ann\x02pw" + b"\x05\x01")
    assert not_asked.startswith(b"\x05\x02\0\x02" + b"\x05\x01")


@pytest.mark.parametrize(
    ("url", "answer", "reason"),
    [
        ("https://10.0.0.1:80", b"HTTP/1.1 403 Forbidden\r\n\r\n", r"tunnel refused \(403\)"),
        ("https://10.0.0.1:80", b"HTTP/1.1 302 Found\r\n\r\n", r"tunnel refused \(302\)"),
        ("socks4://10.0.0.1:80", b"\0\x5b" + bytes(6), r"tunnel refused \(91\)"),
        ("socks5://10.0.0.1:80", b"\x05\0\x05\x02\0\x01" + bytes(6), r"tunnel refused \(2\)"),
    ],
)
def test_a_refusal_is_told_with_its_code(url: str, answer: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        dialling(url, NAMED, answer)


@pytest.mark.parametrize(
    ("url", "answer", "reason"),
    [
        ("https://10.0.0.1:80", b"HTTP/1.1 407 No\r\n\r\n", "wants credentials"),
        ("https://a:b@10.0.0.1:80", b"HTTP/1.1 407 No\r\n\r\n", "credentials refused"),
        ("socks5://10.0.0.1:80", b"\x05\xff", "wants credentials"),
        ("socks5://10.0.0.1:80", b"\x05\x02", "wants credentials"),
        ("socks5://a:b@10.0.0.1:80", b"\x05\x02\x01\x01", "credentials refused"),
        ("socks5://a:b@10.0.0.1:80", b"\x05\x01", "credentials refused"),
        (f"socks5://{'a' * 256}:b@10.0.0.1:80", b"\x05\x02", "credentials refused"),
    ],
)
def test_who_is_not_let_in_hears_why(url: str, answer: bytes, reason: str) -> None:
    with pytest.raises(NotLetIn, match=reason):
        dialling(url, NAMED, answer)


@pytest.mark.parametrize("url", ["https://10.0.0.1:80", "socks4://1.1.1.1:1", "socks5://1.1.1.1:1"])
@pytest.mark.parametrize("answer", [b"220 smtp.example.org ESMTP\r\n\r\n", b"\xff" * 40])
def test_garbage_is_told_at_once(url: str, answer: bytes) -> None:
    with pytest.raises(LineError, match=r"not (HTTP|SOCKS)"):
        dialling(url, NAMED, answer)


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("https://10.0.0.1:80", OK[:20]),
        ("socks4://10.0.0.1:80", YES4[:5]),
        ("socks5://10.0.0.1:80", b"\x05\0" + YES5[:7]),
        ("socks5://10.0.0.1:80", b""),
    ],
)
def test_who_hangs_up_half_way_makes_no_tunnel(url: str, answer: bytes) -> None:
    with pytest.raises(HungUp):
        dialling(url, NAMED, answer)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * LARGEST_HEAD,
        b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"x" * 1000 + b"\r\n") * 40,
        b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 300,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 300,
    ],
)
def test_a_yes_that_never_ends_is_cut_off(answer: bytes) -> None:
    with pytest.raises(TooMuch):
        dialling("https://10.0.0.1:80", NAMED, answer)
