"""What a judge answers, read strictly, and what follows from it."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from proxies.model import Anonymity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Headers that clients and servers in between set for reasons of their own, in lower case. Every other one
#: that we did not send says that there is somebody in between.
_COMMON = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-length",
        "content-type",
        "dnt",
        "host",
        "if-modified-since",
        "if-none-match",
        "keep-alive",
        "origin",
        "pragma",
        "priority",
        "range",
        "referer",
        "te",
        "transfer-encoding",
        "upgrade-insecure-requests",
        "user-agent",
    }
)

#: Of all headers the one that has the judge's own address.
_JUDGE = "host"

_ADDRESS = re.compile(
    r"[0-9a-fA-F]*(?::[0-9a-fA-F]*){2,7}(?:\.\d+){0,3}"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)"
)
#: How an IPv6 address begins that is an IPv4 address.
_MAPPED = bytes(10) + b"\xff\xff"


class WrongAnswer(Exception):
    """This is not what our judge says to our question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Who asked, as the judge saw it, and with which headers (names in lower case)."""

    addresses: tuple[str, ...]
    headers: Mapping[str, str]
    page_sha256: str = ""

    @property
    def exit_ip(self) -> str:
        """The address that the request came from at last."""
        return self.addresses[-1]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the judge sees when we ask it directly; a proxy is judged by the difference."""

    own: frozenset[str]
    headers: frozenset[str] = frozenset()
    usual: frozenset[tuple[str, str]] = (
        frozenset()
    )  #: headers that say nothing when they are the same

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> Baseline:
        """Take together what was seen over each of our addresses."""
        seen = list(answers)
        own = frozenset(address for answer in seen for address in answer.addresses)
        headers = frozenset(header for answer in seen for header in answer.headers.items())
        usual = frozenset(pair for pair in headers if own.isdisjoint(found_addresses(pair[1])))
        return cls(own, frozenset(name for name, _ in headers), usual)


def read(body: bytes, nonce: str) -> Answer:
    """Read `{nonce, ip, headers}`, or httpbin's `{args: {nonce}, origin, headers}`.

    Raises:
        WrongAnswer: it is anything else, or an answer to another question.
    """
    try:
        facts = json.loads(body.decode())
    except (ValueError, RecursionError):  # lists in lists in lists, without end
        raise WrongAnswer("no answer of the judge") from None
    if not isinstance(facts, dict):
        raise WrongAnswer("no answer of the judge")
    arguments = facts.get("args")
    echoed = arguments.get("nonce") if isinstance(arguments, dict) else facts.get("nonce")
    if echoed != nonce:
        raise WrongAnswer("an answer to another question")
    page = facts.get("page_sha256", "")
    return Answer(
        _addresses(facts.get("ip", facts.get("origin"))),
        _headers(facts.get("headers")),
        page if isinstance(page, str) else "",
    )


def anonymity(
    answers: Iterable[Answer], baseline: Baseline, own: frozenset[str] = frozenset()
) -> Anonymity:
    """Tell how much of us the judge saw, compared with asking it directly.

    `own` are more addresses of ours than the judge knows.

    >>> direct = Baseline(own=frozenset({"192.0.2.1"}))
    >>> anonymity([Answer(("192.0.2.9",), {"via": "1.1 squid"})], direct).value
    'anonymous'
    >>> anonymity([Answer(("192.0.2.9",), {"x-note": "for 192.0.2.1"})], direct).value
    'transparent'
    """
    ours, telling = baseline.own | own, False
    for answer in answers:
        if not ours.isdisjoint(answer.addresses):
            return Anonymity.TRANSPARENT
        for name, value in answer.headers.items():
            if name == _JUDGE or (name, value) in baseline.usual:
                continue
            if _shows(value, ours):
                return Anonymity.TRANSPARENT
            telling = telling or (
                not found_addresses(value) <= {*answer.addresses}
                if name in _COMMON
                else name not in baseline.headers
            )
    return Anonymity.ANONYMOUS if telling else Anonymity.ELITE


def _shows(value: str, ours: frozenset[str]) -> bool:
    """Whether an address of ours is in it, however it is written."""
    return not ours.isdisjoint(found_addresses(value)) or any(
        _in_other_words(address).search(value) for address in ours
    )


def found_addresses(text: str) -> set[str]:
    """Every IP address in a header's value, in its usual spelling.

    >>> sorted(found_addresses('for="[2001:DB8::1]:80", 192.0.2.44:81; at 12:30:45'))
    ['192.0.2.44', '2001:db8::1']
    """
    found = set()
    for word in _ADDRESS.findall(text):
        try:
            found.add(_usual(word))
        except ValueError:
            continue
    return found


@cache
def _in_other_words(address: str) -> re.Pattern[str]:
    """Find an IPv4 address as names of hosts have it, padded, escaped, backwards or as one number."""
    if ":" in address:
        return re.compile(r"(?!)")
    parts = address.split(".")
    raw = socket.inet_aton(address)
    forward, backward = (
        r"(?:[._-]|%2e)".join(f"0{{0,2}}{part}" for part in order) for order in (parts, parts[::-1])
    )
    return re.compile(
        rf"(?<![\d.])(?:{forward}|{backward})(?!\.?\d)"
        rf"|(?<![\da-f])(?:{raw.hex()}|{int.from_bytes(raw)})(?![\da-f])",
        re.IGNORECASE,
    )


def _addresses(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise WrongAnswer("no address in the judge's answer")
    try:
        return tuple(_usual(word.strip()) for word in value.split(","))
    except ValueError:
        raise WrongAnswer("no address in the judge's answer") from None


def _usual(text: str) -> str:
    """Return an address in its usual spelling; ten times as quick as `ipaddress`."""
    try:
        if ":" not in text:
            socket.inet_pton(socket.AF_INET, text)
            return text
        raw = socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        raise ValueError(text) from None
    if raw.startswith(_MAPPED):
        return socket.inet_ntop(socket.AF_INET, raw[len(_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, raw)


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise WrongAnswer("no headers in the judge's answer")
    return {str(name).lower(): str(text) for name, text in value.items()}
