"""What can come of a request, and what follows from each: decisions, with no network in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from orchestrator.gate.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """The classes of failure."""

    DNS = "dns"
    CONNECT = "connect"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROXY = "proxy"
    NO_PROXY = "no_proxy"
    HTTP_429 = "http_429"
    HTTP_403 = "http_403"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    GONE = "gone"
    TOO_BIG = "too_big"
    PARSE = "parse"
    NOT_TEXT = "not_text"
    REDIRECT = "redirect"
    FORBIDDEN = "forbidden"
    PROTOCOL = "protocol"


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows: whether it is tried again, what it says about the site, whether it is skipped."""

    retry: bool
    outcome: Outcome
    skip: bool = False


_AGAIN = Rule(retry=True, outcome=Outcome.FAILURE)
_NEVER = Rule(retry=False, outcome=Outcome.OK)
_SKIPPED = Rule(retry=False, outcome=Outcome.OK, skip=True)
#: It says nothing about the site.
_OURS = Rule(retry=True, outcome=Outcome.NEUTRAL)

RULES: Mapping[Kind, Rule] = {
    Kind.DNS: _AGAIN,
    Kind.CONNECT: _AGAIN,
    Kind.TIMEOUT: _AGAIN,
    Kind.TLS: _AGAIN,
    Kind.PROTOCOL: _AGAIN,
    Kind.PROXY: _OURS,
    Kind.NO_PROXY: _OURS,
    Kind.HTTP_429: _AGAIN,
    Kind.HTTP_403: _AGAIN,
    Kind.HTTP_4XX: _NEVER,
    Kind.HTTP_5XX: _AGAIN,
    Kind.GONE: _SKIPPED,
    Kind.TOO_BIG: _NEVER,
    Kind.PARSE: Rule(retry=True, outcome=Outcome.OK),
    Kind.NOT_TEXT: _SKIPPED,
    Kind.REDIRECT: _NEVER,
    Kind.FORBIDDEN: Rule(retry=False, outcome=Outcome.NEUTRAL),
}


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that gave no page. `retry_after` (s) is what the site asked for.

    `doubt`: the proxy is blamed, but it may be the site's fault; then it would be of this class.
    """

    kind: Kind
    detail: str = ""
    retry_after: float | None = None
    status: int = 0
    doubt: Kind | None = None

    @property
    def rule(self) -> Rule:
        """What follows from it."""
        return RULES[self.kind]

    @property
    def reason(self) -> str:
        """For people.

        >>> Failed(Kind.TIMEOUT, "no answer within 20 s").reason, Failed(Kind.GONE).reason
        ('timeout: no answer within 20 s', 'gone')
        """
        if self.kind is Kind.NO_PROXY:
            return "no usable proxy"
        return f"{self.kind}: {self.detail}" if self.detail else str(self.kind)


@dataclass(frozen=True, slots=True)
class Page:
    """What a site answered with: 2xx, decoded."""

    status: int
    html: str
    size: int


@dataclass(frozen=True, slots=True)
class Moved:
    """The site says that the page is somewhere else; `target` is as it wrote it."""

    status: int
    target: str


Answer = Page | Moved | Failed

_EXACT = {
    403: Kind.HTTP_403,
    404: Kind.GONE,
    408: Kind.TIMEOUT,
    410: Kind.GONE,
    429: Kind.HTTP_429,
}
#: What says when to come again, and how far ahead we believe it, in seconds.
_WITH_RETRY_AFTER = frozenset({429, 503})
MOST_RETRY_AFTER_S = 3600.0

#: What a forward proxy answers by itself: that it does not know us, or does not reach the site.
_OF_A_PROXY = {407: None, 502: Kind.HTTP_5XX, 504: Kind.HTTP_5XX}


def judge_status(
    status: int, headers: Mapping[str, str], *, now: float, proxied: bool
) -> Moved | Failed | None:
    """Say what a status means; None for one that comes with a page. `now`: seconds since 1970.

    `proxied`: a proxy has read the request, and may have answered it by itself.
    """
    if 200 <= status < 300:  # noqa: PLR2004
        return None
    if status in (301, 302, 303, 307, 308):
        target = headers.get("Location", "")
        return (
            Moved(status, target) if target else Failed(Kind.REDIRECT, "to nowhere", None, status)
        )
    if proxied and status in _OF_A_PROXY:
        return Failed(Kind.PROXY, f"status {status}", None, status, _OF_A_PROXY[status])
    kind = _EXACT.get(status)
    if kind is None:
        kind = Kind.HTTP_5XX if status >= 500 else Kind.HTTP_4XX  # noqa: PLR2004
    detail = "" if kind is Kind.GONE else f"status {status}"
    asked = status in _WITH_RETRY_AFTER
    return Failed(kind, detail, retry_after(headers, now) if asked else None, status)


def judge_proxy(status: int) -> Failed:
    """Say what it means that a proxy refuses a tunnel with `status`."""
    return Failed(Kind.PROXY, "refused to connect us", doubt=_OF_A_PROXY.get(status))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return how many seconds the site asks us to wait, by its own clock where it shows it.

    At most an hour: nobody may keep us out for ever.

    >>> retry_after({"Retry-After": "7"}, 0.0)
    7.0
    """
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(MOST_RETRY_AFTER_S, float(text))
    at = _instant(text)
    if at is None:
        return None
    shown = _instant(headers.get("Date", ""))
    return min(MOST_RETRY_AFTER_S, max(0.0, at - (now if shown is None else shown)))


def _instant(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
