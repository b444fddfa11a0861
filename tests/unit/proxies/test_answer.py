"""What a judge's answer says about a proxy."""

from __future__ import annotations

import json

import pytest

from proxies.answer import Answer, Baseline, WrongAnswer, anonymity, read
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
        (["192.0.2.9"], {"x-odd": "192.0.2.11"}, Anonymity.ELITE),
        (["192.0.2.9"], {"x-odd": "2192.0.2.1"}, Anonymity.ELITE),
    ],
)
def test_how_much_of_us_the_judge_saw(
    addresses: list[str], headers: dict[str, str], expected: Anonymity
) -> None:
    assert anonymity(Answer(tuple(addresses), headers), DIRECT) is expected


def test_the_exit_is_the_last_address_and_mapped_ones_are_ipv4() -> None:
    answer = read(body(ip="198.51.100.1, ::ffff:192.0.2.9"), "n1")

    assert answer.exit_ip == "192.0.2.9"
