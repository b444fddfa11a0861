"""Picking a proxy for each request, and saying how it went.

All workers share the pool, and what requests found out, through Redis. Each keeps a snapshot that is at
most a second old and draws from it (`board`, `odds`); a script then takes the first of a few that is
free for everybody, so no two workers are ever at odds about bans, rests and requests in flight.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.redis import RedisError
from proxies.model import Proxy
from proxies.pool.board import Board, Known
from proxies.pool.ledger import COOL_S, DOUBT_S, Ledger, Scripts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis_async import AsyncRedis
    from proxies.pool.appeal import Appeal

log = logging.getLogger(__name__)

#: How old the snapshot may become, in seconds.
SNAPSHOT_S = 1.0
#: A pick that nobody reports on (its worker died) counts as in flight for so long, in seconds.
LEASE_S = 60.0
#: So often others are offered when all that were are taken.
ROUNDS = 4
#: Sites whose snapshots are kept; the one unused for longest goes first.
MOST_SITES = 64
#: A request whose time nobody measured.
_UNMEASURED = 0.0
_NOBODY = Proxy("http", "", 0)


class Outcome(StrEnum):
    """What came of a request through a proxy, as far as the proxy is concerned."""

    OK = "ok"  #: the site answered, whatever it said but a ban
    BANNED = "banned"  #: the site answered that it has enough of this proxy (403, 429, a captcha)
    FAILED = "failed"  #: the proxy failed: not reached, no answer in time, 407, garbage
    DOUBTED = "doubted"  #: nothing came, and nobody knows whether the proxy or the site failed
    UNUSED = "unused"  #: no request was made, or it says nothing about the proxy


#: A pair is left alone here for so long, in seconds, unless the next look shows what all know of it.
_RESTS_S = {Outcome.BANNED: COOL_S, Outcome.FAILED: DOUBT_S, Outcome.DOUBTED: DOUBT_S}


class Lease(NamedTuple):
    """A pick. It is reported on once; it ends by itself when nobody does."""

    proxy: Proxy
    site: str
    session: str | None
    token: str  #: "" when Redis could not be asked


@dataclass(slots=True)
class _Place:
    board: Board
    read_at: float = float("-inf")


def _new_tokens() -> Iterator[str]:
    return map(f"{uuid.uuid4().hex[:12]}.{{}}".format, itertools.count())


@dataclass(slots=True, eq=False)
class Picker:
    """For one event loop; proxies count as fresh for `fresh_for` seconds after they last worked.

    `appeal` hears of sites that have too few usable ones.
    """

    redis: AsyncRedis
    keys: Keys
    fresh_for: float
    lease_s: float = field(default=LEASE_S, kw_only=True)
    appeal: Appeal | None = field(default=None, kw_only=True)
    clock: Clock = field(default=SYSTEM, kw_only=True)
    draw: random.Random = field(default_factory=random.Random, kw_only=True)
    scripts: Scripts = field(default_factory=Scripts, kw_only=True)
    _ledger: Ledger = field(init=False)
    _known: Known = field(init=False)
    _places: OrderedDict[str, _Place] = field(init=False, default_factory=OrderedDict)
    _looking: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)
    _tokens: Iterator[str] = field(init=False, default_factory=_new_tokens)
    _ahead: float = field(init=False, default=0.0)  #: the server's clock is so far ahead of ours
    _away: bool = field(init=False, default=False)  #: Redis was, when it was asked last

    def __post_init__(self) -> None:
        self._ledger = Ledger(self.keys, self.lease_s, self.scripts)
        self._known = Known(self.fresh_for, self.lease_s)

    async def pick(
        self, site: str, session: str | None = None, *, avoid: Collection[str] = ()
    ) -> Lease | None:
        """Return the proxy to use; None when none can be used now. None never means: go directly.

        `session`: whoever names the same one gets the same proxy, while that works. `avoid`: keys of
        proxies that were tried for this request already.

        Raises:
            RedisError: the pool could never be read, or not for this site.
        """
        place = await self._place(site)
        for _ in range(ROUNDS):
            offers = place.board.offers(self._now, self.draw, avoid)
            if not offers and session is None:
                return None
            key, refused, token = await self._take(site, session, offers, avoid)
            for each in offers[:refused]:
                place.board.close(each, self._now + SNAPSHOT_S)
            if key:
                lease = await self._lease(place, key, Lease(_NOBODY, site, session, token))
                return lease or await self.pick(site, session, avoid=(*avoid, key))
            if refused < len(offers) or not offers:
                return None  # the session's own is busy
        return None

    async def report(
        self,
        lease: Lease,
        outcome: Outcome,
        seconds: float | None = None,
        *,
        again_s: float | None = None,
    ) -> None:
        """Say what came of it, and after how many seconds; it counts once, while the lease lasts.

        `again_s`: after so long the site wants to hear from this proxy again, if it was banned and told.
        Redis being away is no error: the others then miss this one verdict.
        """
        key = lease.proxy.key
        place = self._places.get(lease.site)
        if place:
            place.board.gave_back(key)
            if outcome in _RESTS_S:
                place.board.close(key, self._now + _RESTS_S[outcome])
        if not lease.token:
            return
        cool_s = COOL_S if again_s is None else again_s
        took_s = seconds or _UNMEASURED
        call = self._ledger.report(lease.site, key, lease.token, outcome, took_s, cool_s)
        try:
            await call.run_async(self.redis)
        except RedisError as error:
            self._warn("the pool was not told about %s: %s", lease.proxy.masked, error)

    async def tell(self, site: str, proxy: Proxy, outcome: Outcome, seconds: float) -> bool:
        """Say what came of a request that nobody picked the proxy for; whether it counts.

        It does not while the proxy rests, nor after it has left the pool.

        Raises:
            RedisError: nobody could be told.
        """
        token = next(self._tokens)
        taking = self._ledger.take(site, None, token, (proxy.key,), ())
        taken, _ = await taking.run_async(self.redis)
        if taken:
            await self.report(Lease(proxy, site, None, token), outcome, seconds)
        return bool(taken)

    @property
    def _now(self) -> float:
        """The moment on the server's clock."""
        return self.clock.monotonic() + self._ahead

    async def _place(self, site: str) -> _Place:
        """Return the place of a site, read again when it is too old; one reader serves all who wait."""
        async with self._looking:
            place = self._places.get(site)
            if place is None:
                place = self._places[site] = _Place(Board(self._known))
                if len(self._places) > MOST_SITES:
                    self._places.popitem(last=False)
            self._places.move_to_end(site)
            if self.clock.monotonic() - place.read_at >= SNAPSHOT_S:
                await self._look(site, place)
            return place

    async def _look(self, site: str, place: _Place) -> None:
        known = self._known
        call = self._ledger.look(site, known.generation, known.at, place.board.at)
        try:
            look = await call.run_async(self.redis)
        except RedisError as error:
            if known.generation < 0 or not place.board.at:
                raise
            self._warn("the pool cannot be read, the last snapshot serves on: %s", error)
        else:
            known.learn(look)
            place.board.learn(look)
            self._ahead = look.at - self.clock.monotonic()
            if self.appeal is not None:
                usable = place.board.usable(look.at, self.appeal.minimum)
                await self.appeal.saw(site, usable)
        place.read_at = self.clock.monotonic()

    async def _take(
        self, site: str, session: str | None, offers: Sequence[str], avoid: Collection[str]
    ) -> tuple[str, int, str]:
        """Return what was taken, how many were refused, and the token; by itself without Redis."""
        token = next(self._tokens)
        # Whom to avoid has been left out of the offers: it is said only of the session's own.
        avoid = avoid if session is not None else ()
        try:
            call = self._ledger.take(site, session, token, offers, avoid)
            key, refused = await call.run_async(self.redis)
        except RedisError as error:
            if not offers:
                raise
            self._warn("proxies are taken without the others' knowledge: %s", error)
            return offers[0], 0, ""
        self._away = False
        return key, refused, token

    def _warn(self, text: str, *facts: object) -> None:
        """Say what Redis being away leads to, once until it is back."""
        log.log(logging.DEBUG if self._away else logging.WARNING, text, *facts)
        self._away = True

    async def _lease(self, place: _Place, key: str, lease: Lease) -> Lease | None:
        """Put the proxy that was taken into the lease; give it back if it is of no use any more."""
        proxy = self._known.proxy(key)
        if proxy is None:  # a session's own may be newer than our snapshot
            async with self._looking:
                await self._look(lease.site, place)
            proxy = self._known.proxy(key)
        if proxy is None:
            call = self._ledger.report(lease.site, key, lease.token, Outcome.UNUSED, _UNMEASURED)
            await call.run_async(self.redis)
            return None
        place.board.took(key)
        return lease._replace(proxy=proxy)
