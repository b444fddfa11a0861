"""What a judge answers, read strictly, and what follows from it."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxies.model import Anonymity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Headers by which a proxy says that it is one, in lower case.
_TELLING = frozenset(
    {
        "via",
        "forwarded",
        "client-ip",
        "true-client-ip",
        "x-client-ip",
        "x-real-ip",
        "x-originating-ip",
        "x-remote-ip",
        "x-remote-addr",
        "x-bluecoat-via",
        "x-cache",
        "x-cache-lookup",
        "x-via",
    }
)
_TELLING_STARTS = ("proxy-", "x-forwarded", "x-proxy")

_ADDRESS = re.compile(
    r"[0-9a-fA-F]*(?::[0-9a-fA-F]*){2,7}(?:\.\d+){0,3}"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)"
)


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
    page_sha256: str = ""

    @classmethod
    def of(cls, answers: Iterable[Answer]) -> Baseline:
        """Take together what was seen over each of our addresses."""
        seen = list(answers)
        return cls(
            frozenset(address for answer in seen for address in answer.addresses),
            frozenset(name for answer in seen for name in answer.headers),
            next((answer.page_sha256 for answer in seen if answer.page_sha256), ""),
        )


def read(body: bytes, nonce: str) -> Answer:
    """Read `{nonce, ip, headers}`, or httpbin's `{args: {nonce}, origin, headers}`.

    Raises:
        WrongAnswer: it is anything else, or an answer to another question.
    """
    try:
        facts = json.loads(body)
    except ValueError:
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


def anonymity(answer: Answer, baseline: Baseline) -> Anonymity:
    """Tell how much of us the judge saw, compared with asking it directly.

    >>> direct = Baseline(own=frozenset({"192.0.2.1"}))
    >>> anonymity(Answer(("192.0.2.9",), {"via": "1.1 squid"}), direct).value
    'anonymous'
    >>> anonymity(Answer(("192.0.2.9",), {"x-note": "for 192.0.2.1"}), direct).value
    'transparent'
    """
    shown = set(answer.addresses)
    for name, value in answer.headers.items():
        if name != "host":  # it names the judge, which may be on our own machine
            shown |= found_addresses(value)
    if shown & baseline.own:
        return Anonymity.TRANSPARENT
    added = set(answer.headers) - baseline.headers
    if any(name in _TELLING or name.startswith(_TELLING_STARTS) for name in added):
        return Anonymity.ANONYMOUS
    return Anonymity.ELITE


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


def _addresses(value: Any) -> tuple[str, ...]:
    if not isinstance(value, str):
        raise WrongAnswer("no address in the judge's answer")
    try:
        return tuple(_usual(word.strip()) for word in value.split(","))
    except ValueError:
        raise WrongAnswer("no address in the judge's answer") from None


def _usual(text: str) -> str:
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise WrongAnswer("no headers in the judge's answer")
    return {str(name).lower(): str(text) for name, text in value.items()}
