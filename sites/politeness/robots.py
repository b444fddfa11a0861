"""Which pages of a site its robots.txt lets us ask for: asked for once a day, kept for all workers."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from orchestrator.core.backoff import Backoff
from orchestrator.core.clock import SYSTEM, Clock
from sites.fetch.answer import Answer, Failed, Moved, Page
from sites.fetch.kind import Kind
from sites.politeness.robots_rules import RobotsRules, parse, token_of
from sites.url import canonical, host_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sites.politeness.robots_store import RobotsStore

    Ask = Callable[[str], Awaitable[Answer]]

#: What a site said holds for a day at most (RFC 9309, section 2.4), in seconds.
FRESH_S = 86_400.0
#: Redirects that are followed, whichever host they lead to (section 2.3.1.2).
MOST_REDIRECTS = 5
#: While one worker asks, the others wait for it so long, in seconds, and look so often.
CLAIM_S = 5.0
LOOK_S = 0.1

#: When a robots.txt that cannot be had is asked for again; what the site asks for comes on top.
_AGAIN = Backoff(base=2.0, cap=300.0)
#: The site has none for us (section 2.3.1.3): 4xx, or redirects that end nowhere.
_NONE = frozenset({Kind.GONE, Kind.HTTP_403, Kind.HTTP_4XX, Kind.REDIRECT})


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one robots.txt since `at` (seconds since 1970).

    `failed`: why it could not be had, `tries` times in a row; `rules` are older ones then, if any.
    """

    at: float
    rules: RobotsRules | None
    failed: Failed | None = None
    tries: int = 0

    def left(self, now: float) -> float:
        """Return for how many seconds it holds; after that somebody asks again."""
        age = now - self.at
        holds = FRESH_S
        if self.failed:
            holds = max(_AGAIN.delay(self.tries), self.failed.retry_after or 0.0)
        return (
            holds - age if age >= 0 else 0.0
        )  # the clock was set back: nobody knows how old it is

    def to_json(self) -> str:
        """As the store keeps it."""
        failed = self.failed
        return json.dumps(
            {
                "at": self.at,
                "rules": self.rules and self.rules.to_dict(),
                "failed": failed
                and [failed.kind, failed.detail, failed.retry_after, failed.status],
                "tries": self.tries,
            }
        )

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Read what the store kept; None for nothing, and for what another version wrote."""
        try:
            raw = json.loads(text or "")
            rules = raw["rules"] and RobotsRules.of_dict(raw["rules"])
            failed = raw["failed"] and Failed(Kind(raw["failed"][0]), *raw["failed"][1:])
            return cls(float(raw["at"]), rules, failed, int(raw["tries"]))
        except (KeyError, TypeError, ValueError):
            return None


class Robots:
    """The robots.txt of all hosts of a site, for one event loop.

    `heard(delay)` is called with each Crawl-delay (seconds), before a page of its host is let pass. Calls
    hand in `ask`, which makes one request as for a page: through the gate, and through a proxy where the
    site wants that.
    """

    def __init__(
        self,
        user_agent: str,
        store: RobotsStore,
        heard: Callable[[float], None] = lambda _: None,
        clock: Clock = SYSTEM,
    ) -> None:
        self._agent = token_of(user_agent)
        self._store = store
        self._heard = heard
        self._clock = clock
        self._known: dict[str, Known] = {}
        self._learning: dict[str, asyncio.Lock] = {}

    async def refusal(self, url: str, ask: Ask) -> Failed | None:
        """Return why the canonical `url` must not be asked for; None when it may.

        That is of kind `robots` when its robots.txt says so. While nobody can have that, nothing of
        its host is asked for (RFC 9309, section 2.3.1.4), and the failure is that of the robots.txt: the
        page is tried again, not before that is, and ends by it when it is out of attempts.
        """
        known = await self._of(url, ask)
        if known.rules is None:
            return self._unknown(known, url)
        pattern = known.rules.refusing(url)
        return Failed(Kind.ROBOTS, f"Disallow: {pattern}") if pattern else None

    async def sitemaps(self, url: str, ask: Ask) -> tuple[str, ...]:
        """Return the sitemaps that the robots.txt of `url` names, as it writes them."""
        known = await self._of(url, ask)
        return known.rules.sitemaps if known.rules else ()

    def _unknown(self, known: Known, url: str) -> Failed:
        failed = known.failed or Failed(Kind.PROTOCOL)
        return replace(
            failed,
            detail=f"robots.txt of {host_of(url)}: {failed.detail or failed.kind}",
            retry_after=max(0.0, known.left(self._clock.wall())),
        )

    async def _of(self, url: str, ask: Ask) -> Known:
        place = url[: url.index("/", url.index("//") + 2)]
        known = self._known.get(place)
        if known is None or known.left(self._clock.wall()) <= 0:
            async with self._learning.setdefault(place, asyncio.Lock()):
                known = self._known.get(place)
                if known is None or known.left(self._clock.wall()) <= 0:
                    known = await self._learn(place, ask)
                    if known.rules and known.rules.delay:
                        self._heard(known.rules.delay)
                    self._known[place] = known
        return known

    async def _learn(self, place: str, ask: Ask) -> Known:
        """Find out what holds now: what is kept, or what the site says when it is our turn to ask."""
        key = f"{self._agent}:{place}"
        while True:
            kept = Known.read(await self._store.get(key))
            if kept and kept.left(self._clock.wall()) > 0:
                return kept
            if await self._store.claim(key, CLAIM_S):
                found = self._judge(await _get(f"{place}/robots.txt", ask), kept)
                await self._store.put(key, found.to_json())
                return found
            await asyncio.sleep(LOOK_S)

    def _judge(self, answer: Answer, before: Known | None) -> Known:
        now = self._clock.wall()
        if isinstance(answer, Page):
            return Known(now, parse(answer.body, self._agent))
        if not isinstance(answer, Failed) or answer.kind in _NONE:
            return Known(now, RobotsRules())
        # What was said before holds on while nothing else can be heard (section 2.4).
        return Known(
            now, before.rules if before else None, answer, (before.tries if before else 0) + 1
        )


async def _get(url: str, ask: Ask) -> Answer:
    for _ in range(1 + MOST_REDIRECTS):
        answer = await ask(url)
        if not isinstance(answer, Moved):
            return answer
        target = canonical(answer.target, url)
        if target is None:
            break
        url = target
    return Failed(Kind.REDIRECT)
