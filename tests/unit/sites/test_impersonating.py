"""What libcurl may hand us: no more than is wanted, whatever comes."""

from __future__ import annotations

from curl_cffi import Curl
from curl_cffi.curl import CURL_WRITEFUNC_ERROR

from sites.fetch.impersonating.transfer import Transfer
from sites.fetch.lean.head import LARGEST_HEAD


def transfer() -> Transfer:
    return Transfer(Curl(), 10, None)


def test_the_part_that_is_too_much_is_the_last() -> None:
    found = transfer()

    assert found.part(b"x" * 10) == 10
    assert found.part(b"x") == CURL_WRITEFUNC_ERROR


def test_a_head_without_end_is_broken_off() -> None:
    found = transfer()
    lines = [found.line(b"X: " + b"x" * 1000 + b"\r\n") for _ in range(LARGEST_HEAD // 1000 + 1)]

    assert lines[0] == 1005
    assert lines[-1] == CURL_WRITEFUNC_ERROR


def test_the_head_that_counts_is_the_last_one_and_trailers_say_nothing() -> None:
    found = transfer()
    for line in ("HTTP/1.1 103 Soon", "A: 1", "", "HTTP/2 200", "B: 2", "", "C: 3", ""):
        found.line(f"{line}\r\n".encode())

    assert (found.status, dict(found.headers)) == (200, {"B": "2"})


def test_a_change_of_the_protocol_is_broken_off() -> None:
    found = transfer()
    head = [b"HTTP/1.1 101 Switching Protocols\r\n", b"Upgrade: h2c\r\n", b"\r\n"]

    assert [found.line(line) for line in head][-1] == CURL_WRITEFUNC_ERROR
    assert not found.status
