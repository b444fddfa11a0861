"""What follows from each class of failure: one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.backoff import Backoff
from orchestrator.gate.permit import Verdict
from sites.fetch.kind import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

_SOON = Backoff(base=0.5, cap=60.0)
#: Who was turned away comes back later.
_LATER = Backoff(base=1.0, cap=300.0)


@dataclass(frozen=True, slots=True)
class Rule:
    """What follows from a failure.

    `retry`: the page is tried again, after `backoff` and whatever the site asks for on top, until it had
    as many attempts as the site's file says, and no more than `most_attempts` (0: no bound of its own).
    `verdict`: what it says about the site, which slows the rate down and may open the breaker.
    `skip`: there is nothing wrong with it, the page is just not wanted. `other_proxy`: the proxy is to
    blame, so another one is tried at once, in the same attempt.
    """

    retry: bool
    verdict: Verdict
    skip: bool = False
    backoff: Backoff = _SOON
    most_attempts: int = 0
    other_proxy: bool = False

    @property
    def trips(self) -> bool:
        """Whether enough of them open the breaker."""
        return self.verdict in (Verdict.FAILURE, Verdict.BAN)

    def attempts(self, most: int) -> int:
        """Return how many attempts a page has that may have `most`."""
        return min(most, self.most_attempts or most)


_AGAIN = Rule(retry=True, verdict=Verdict.FAILURE)
_NEVER = Rule(retry=False, verdict=Verdict.OK)
_SKIPPED = Rule(retry=False, verdict=Verdict.OK, skip=True)
#: Whoever knocks on a closed door for long is what it was closed for.
_BANNED = Rule(retry=True, verdict=Verdict.BAN, backoff=_LATER, most_attempts=3)

RULES: Mapping[Kind, Rule] = {
    Kind.DNS: _AGAIN,
    Kind.CONNECT: _AGAIN,
    Kind.TIMEOUT: _AGAIN,
    Kind.TLS: _AGAIN,
    Kind.PROTOCOL: _AGAIN,
    Kind.PROXY: Rule(retry=True, verdict=Verdict.NEUTRAL, other_proxy=True),
    Kind.NO_PROXY: Rule(retry=True, verdict=Verdict.UNUSED),
    Kind.HTTP_429: Rule(retry=True, verdict=Verdict.LIMITED, backoff=_LATER),
    Kind.HTTP_403: _BANNED,
    Kind.SOFT_BLOCK: _BANNED,
    Kind.HTTP_4XX: _NEVER,
    Kind.HTTP_5XX: _AGAIN,
    Kind.GONE: _SKIPPED,
    Kind.TOO_BIG: _NEVER,
    Kind.PARSE: Rule(retry=True, verdict=Verdict.OK),
    Kind.NOT_TEXT: _SKIPPED,
    Kind.REDIRECT: _NEVER,
    # These two are known before the request, which is then not made.
    Kind.ROBOTS: Rule(retry=False, verdict=Verdict.UNUSED, skip=True),
    Kind.FORBIDDEN: Rule(retry=False, verdict=Verdict.UNUSED),
}
