"""What a judge's answer says about a proxy."""

from __future__ import annotations

import json

import pytest

from proxies.check.answer import Answer, Baseline, WrongAnswer, anonymity, read
from proxies.model import Anonymity

DIRECT = Baseline(
    own=frozenset({"192.0.2.1", "2001:db8::1"}), headers=frozenset({"host", "x-real-ip"})
)


def body(**changes: object) -> bytes:
    facts = {"nonce": "n1", "ip": "192.0.2.9", "headers": {"Host": "judge"}, **changes}
    return json.dumps({key: value for key, value in facts.items() if value is not None}).encode()


def test_our_judge_and_httpbin_are_read_alike() -> None:
    httpbin = {"args": {"nonce": "n1"}, "origin": "192.0.2.9", "headers": {"Host": "judge"}}

    assert read(body(), "n1") == read(json.dumps(httpbin).encode(), "n1")


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"login, please",
        body().decode().encode("utf-16"),
        b"[" * 60_000,
        b"[]",
        b"{}",
        body(nonce="n2"),
        body(nonce=None),
        body(ip="nobody"),
        body(ip=None),
        body(ip=7),
        body(headers=None),
        body(headers=["Via"]),
        b'{"args": [], "origin": "192.0.2.9", "headers": {}}',
    ],
)
def test_anything_else_is_no_answer(wrong: bytes) -> None:
    with pytest.raises(WrongAnswer):
        read(wrong, "n1")


@pytest.mark.parametrize(
    ("addresses", "headers", "expected"),
    [
        (["192.0.2.9"], {}, Anonymity.ELITE),
        (["192.0.2.9"], {"host": "judge", "x-real-ip": "192.0.2.9"}, Anonymity.ELITE),
        (["192.0.2.9"], {"host": "192.0.2.1:8080"}, Anonymity.ELITE),
        (["192.0.2.9"], {"via": "1.1 squid"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"x-forwarded-for": "unknown"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"proxy-connection": "close"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"forwarded": "for=_hidden"}, Anonymity.ANONYMOUS),
        (["192.0.2.1"], {}, Anonymity.TRANSPARENT),
        (["192.0.2.1", "192.0.2.9"], {}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-forwarded-for": "10.0.0.1, 192.0.2.1"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-real-ip": "192.0.2.1"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-odd": "you=192.0.2.1:55"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"forwarded": 'for="[2001:DB8:0::1]"'}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"cache-control": "max-age=0", "accept": "*/*"}, Anonymity.ELITE),
        (["192.0.2.9"], {"x-real-ip": "10.0.0.7"}, Anonymity.ELITE),
        (["192.0.2.9"], {"x-odd": "7"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"x-odd": "192.0.2.11"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"x-odd": "2192.0.2.1"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"user-agent": "for 10.0.0.7"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"user-agent": "for 192.0.2.9"}, Anonymity.ELITE),
        (["192.0.2.9"], {"accept": "::ffff:192.0.2.1"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-odd": "host-192-0-2-1.isp.example"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-odd": "1.2.0.192.in-addr.arpa"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-forwarded-for": "192.000.002.001"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-odd": "ip=192%2E0%2e2%2E1&a=b"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-odd": "C0000201"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-odd": "3221225985"}, Anonymity.TRANSPARENT),
        (["192.0.2.9"], {"x-odd": "host-192-0-2-11.isp.example"}, Anonymity.ANONYMOUS),
        (["192.0.2.9"], {"x-odd": "00c000020133"}, Anonymity.ANONYMOUS),
    ],
)
def test_how_much_of_us_the_judge_saw(
    addresses: list[str], headers: dict[str, str], expected: Anonymity
) -> None:
    assert anonymity([Answer(tuple(addresses), headers)], DIRECT) is expected


def test_of_several_answers_the_one_that_shows_most_counts() -> None:
    elite, telling = Answer(("192.0.2.9",), {}), Answer(("192.0.2.9",), {"via": "x"})

    assert anonymity([elite, telling], DIRECT) is Anonymity.ANONYMOUS
    assert anonymity([telling, Answer(("192.0.2.1",), {})], DIRECT) is Anonymity.TRANSPARENT


def test_an_address_that_only_the_proxy_has_seen_is_ours_too() -> None:
    shown = Answer(("192.0.2.9",), {"x-forwarded-for": "192.0.2.77"})

    assert anonymity([shown], DIRECT, frozenset({"192.0.2.77"})) is Anonymity.TRANSPARENT


def test_the_exit_is_the_last_address_and_mapped_ones_are_ipv4() -> None:
    answer = read(body(ip="198.51.100.1, ::ffff:192.0.2.9"), "n1")

    assert answer.exit_ip == "192.0.2.9"
