"""A store under test, with hands on its time and its memory."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.gate.limits import Limits
from orchestrator.gate.local import LocalStore
from orchestrator.gate.memory import Memory
from orchestrator.gate.permit import (
    WAITER_US,
    Ask,
    Grant,
    Refused,
    Report,
    Standing,
    Verdict,
)
from orchestrator.gate.shared import RedisStore
from tests.support.fake_clock import FakeClock

if TYPE_CHECKING:
    from orchestrator.gate.store import GateStore

KEYS = Keys()
SECOND = 1_000_000
#: So fast that the rate plays no part.
QUICK = Limits(rate=1_000_000, slots=100, failures=5, open_s=10, open_cap_s=30)
#: So slow that nothing becomes due while a test runs.
SLOW = Limits(rate=0.1, slots=100)
OK, FAILURE, LIMITED, BAN = Verdict.OK, Verdict.FAILURE, Verdict.LIMITED, Verdict.BAN
NEUTRAL, UNUSED = Verdict.NEUTRAL, Verdict.UNUSED


class Hands(Protocol):
    """What differs between the stores; times in µs."""

    @property
    def store(self) -> GateStore: ...

    def another(self) -> GateStore:
        """The same gates, as another process has them."""

    def now(self) -> int:
        """The store's time, with all that was let pass."""

    def shifted(self) -> int:
        """How much later that is than what the store says."""

    def waited(self, then: int, shifted: int) -> int:
        """How long ago that was for those who wait."""

    def pass_time(self, us: int, window_us: int) -> None: ...

    def looked(self) -> None:
        """Somebody entered just now."""

    def picture(self) -> Any:
        """All that is known and still holds."""

    def forget_all(self) -> None:
        """As a server that lost its memory."""


class Place:
    """Verbs with defaults, over a store and the hands on it."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.store = hands.store
        self._began = time.monotonic()

    def ask(self, host: str = "h", site: str = "books", **details: Any) -> Ask:
        details.setdefault("max_wait_us", 60 * SECOND)
        return Ask(site, host, self.store.holder(host), **details)

    def enter(self, limits: Limits, ask: Ask | None = None, **details: Any) -> Grant | Refused:
        answer = self.store.enter(ask or self.ask(**details), limits)
        self.hands.looked()
        return answer

    def granted(self, limits: Limits, ask: Ask | None = None, **details: Any) -> Grant:
        answer = self.enter(limits, ask, **details)
        assert isinstance(answer, Grant), answer
        return answer

    def refused(self, limits: Limits, ask: Ask | None = None, **details: Any) -> Refused:
        answer = self.enter(limits, ask, **details)
        assert isinstance(answer, Refused), answer
        return answer

    def waits(self, limits: Limits, n: int, **details: Any) -> list[float]:
        """In how many seconds each of `n` requests may go."""
        return [self.granted(limits, **details).wait_us / SECOND for _ in range(n)]

    def left(self, *seconds: float) -> list[float]:
        """What is equal to waits of so many seconds, less what a real clock has gone on since."""
        return [_Left(each, self) for each in seconds]

    def elapsed(self) -> float:
        """How much of the store's time may have passed by itself since the test began, in seconds."""
        real = isinstance(self.hands, RedisHands)
        return time.monotonic() - self._began if real else 0.0

    def in_line(self, limits: Limits, **details: Any) -> Ask:
        """Somebody who waits for a slot."""
        ask = self.ask(queues=True, **details)
        refused = self.refused(limits, ask)
        assert refused.since
        return ask._replace(since=refused.since)

    def leave(
        self,
        grant: Grant,
        limits: Limits,
        verdict: Verdict = OK,
        *,
        latency: float | None = None,
        retry_after: float | None = None,
    ) -> Standing:
        return self.store.leave(grant, Report(verdict, latency, retry_after), limits)

    def report(self, limits: Limits, *verdicts: Verdict, **details: Any) -> Standing:
        standing = self.store.look("books")
        for verdict in verdicts:
            standing = self.leave(self.granted(limits), limits, verdict, **details)
        return standing

    def tripped(self, limits: Limits = QUICK) -> Standing:
        return self.report(limits, *[FAILURE] * limits.failures)

    def half_open(self, limits: Limits = QUICK) -> None:
        self.pass_time(self.tripped(limits).rest_s)

    def pass_time(self, seconds: float, window_s: float = 30.0) -> None:
        self.hands.pass_time(round(seconds * SECOND), round(window_s * SECOND))


class _Left(float):
    """See `Place.left`."""

    _place: Place

    def __new__(cls, seconds: float, place: Place) -> Self:
        made = super().__new__(cls, seconds)
        made._place = place
        return made

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, float | int):
            return NotImplemented
        return self - self._place.elapsed() - 0.001 <= other <= self + 0.001

    __hash__ = float.__hash__


class LocalHands:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.local = LocalStore(self.clock)

    @property
    def store(self) -> GateStore:
        return self.local

    def another(self) -> GateStore:
        return self.local

    def now(self) -> int:
        return round(self.clock.now * SECOND)

    def shifted(self) -> int:
        return 0

    def waited(self, then: int, _shifted: int) -> int:
        return self.now() - then

    def pass_time(self, us: int, _window_us: int) -> None:
        self.clock.now = (self.now() + us) / SECOND

    def looked(self) -> None:
        """Its time stands still."""

    def forget_all(self) -> None:
        self.local._sites = Memory()

    def picture(self) -> Any:
        return self._of(self.local._sites)

    def _of(self, thing: Any) -> Any:
        if isinstance(thing, Memory):
            pictures = {name: self._of(item) for name, item in thing._items.items()}
            return {name: picture for name, picture in pictures.items() if any(picture.values())}
        if not dataclasses.is_dataclass(thing):
            return thing
        picture = {
            field.name: self._of(getattr(thing, field.name)) for field in dataclasses.fields(thing)
        }
        name = type(thing).__name__
        if name == "Leases":
            return {holder: ends for holder, ends in picture["ends"].items() if ends > self.now()}
        if name == "Line":
            alive = {holder for holder, (_, ends) in picture["known"].items() if ends > self.now()}
            return [place for place in picture["order"] if place[1] in alive]
        if name == "Breaker":
            trials = picture["trials"].items()
            picture["trials"] = [holder for holder, ends in trials if ends > self.now()]
            picture["window"] = [list(counts) for counts in picture["window"]]
        return picture


#: Who waits in Redis lives so much longer in real time, so that a machine that stalls kills nobody.
_LONGER = 3600 * SECOND
#: Who is dead has been so for so long.
_DEAD = 1000 * SECOND
_POINTS = ("due", "pause", "until", "closed_at", "cut_at", "raised_at")


class RedisHands:
    """Time passes by moving every point in time that is stored back."""

    def __init__(self, client: Redis, url: str) -> None:
        self.client = client
        self.url = url
        self.opened: list[RedisStore] = []
        self.another()
        self._shifted = 0
        #: How much time had been let pass when those who wait looked last.
        self._looked: dict[tuple[str, str], int] = {}

    @property
    def store(self) -> GateStore:
        return self.opened[0]

    def another(self) -> RedisStore:
        self.opened.append(RedisStore(self.url, KEYS, "test"))
        return self.opened[-1]

    def close(self) -> None:
        for store in self.opened:
            store.close()

    def _time(self) -> int:
        seconds, micros = self.client.time()
        return int(seconds) * SECOND + int(micros)

    def now(self) -> int:
        return self._time() + self._shifted

    def shifted(self) -> int:
        return self._shifted

    def waited(self, _then: int, shifted: int) -> int:
        return self._shifted - shifted

    def _keys(self, part: str) -> list[str]:
        return [str(key) for key in self.client.keys(KEYS.gate("*", f"{part}*"))]

    def pass_time(self, us: int, window_us: int) -> None:
        now = self._time()
        self._shifted += us
        # Not what makes the order of a line: who waits knows it, and tells it each time he looks.
        for part in ("slots", "users"):
            for key in self._keys(part):
                scores: Any = self.client.zrange(key, 0, -1, withscores=True)
                for name, score in scores:
                    self.client.zadd(key, {name: score - us})
        for key in self._keys("alive"):
            for name in map(str, self.client.zrange(key, 0, -1)):
                if self._shifted - self._looked.get((key, name), 0) >= WAITER_US:
                    self.client.zadd(key, {name: now - _DEAD})
        for key in self._keys("state"):
            self._pass_in(key, us, window_us)
        for store in self.opened:
            known = store._booked.items()
            store._booked = {
                site: (due - us, at - us / SECOND, ahead) for site, (due, at, ahead) in known
            }

    def _pass_in(self, key: str, us: int, window_us: int) -> None:
        known = {str(name): str(value) for name, value in self.client.hgetall(key).items()}
        for name in _POINTS:
            if name in known:
                self.client.hset(key, name, int(known[name]) - us)
        tenths = {name: known[name] for name in known if name[0] == "w" and name[1:].isdigit()}
        if tenths:
            self.client.hdel(key, *tenths)
        for counts in tenths.values():
            tenth, rest = counts.split(" ", 1)
            moved = int(tenth) - round(us * 10 / window_us)
            self.client.hset(key, f"w{moved % 10}", f"{moved} {rest}")

    def looked(self) -> None:
        now = self._time()
        for key in self._keys("alive"):
            # Also who looked just now, and has not for more than a second because the machine stood still.
            for name in map(str, self.client.zrangebyscore(key, now - _DEAD // 2, now + _DEAD)):
                self._looked[key, name] = self._shifted
                self.client.zadd(key, {name: now + _LONGER})

    def forget_all(self) -> None:
        self.client.flushall()

    def picture(self) -> Any:
        now = self._time()
        found: dict[str, Any] = {key: self.client.hgetall(key) for key in self._keys("state")}
        for part in ("slots", "alive"):
            for key in self._keys(part):
                found[key] = self.client.zrangebyscore(key, now, "+inf", withscores=True)
        for key in self._keys("line"):
            alive = dict(found.get(key.replace(":line", ":alive"), []))
            everybody = self.client.zrange(key, 0, -1, withscores=True)
            found[key] = [place for place in everybody if place[0] in alive]
        lasting = {key: self.client.pexpiretime(key) for key in found}
        return {key: (value, lasting[key]) for key, value in found.items() if value}
