"""Other libraries, each used as its documents say, as exact as it can be set."""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.bench.gate_engine import Engine

#: A quota that refuses nobody.
NO_LIMIT = 1_000_000
#: How often redis-py's lock looks again, in seconds; 0.1 unless told.
LOOK_S = 0.001


def _redis(url: str) -> Any:
    return importlib.import_module("redis").Redis.from_url(url)


class Limits(Engine):
    """`limits`; it has no wait, so its caller asks again and again."""

    can = frozenset({"rate"})
    strategy = "MovingWindowRateLimiter"

    def start(self) -> None:
        self.module = importlib.import_module("limits")
        storage = self.module.storage.RedisStorage(self.url.replace("unix:", "redis+unix:", 1))
        self.limiter = getattr(self.module.strategies, self.strategy)(storage)

    def limit(self, rate: int) -> None:
        self.item = self.module.RateLimitItemPerSecond(rate)

    def acquire(self) -> bool:
        passed: bool = self.limiter.hit(self.item, "site")
        return passed


class LimitsCounter(Limits):
    """Two counters in place of the times of all requests: not exact."""

    strategy = "SlidingWindowCounterRateLimiter"


class Pyrate(Engine):
    """`pyrate-limiter`, its log of requests; no buffer, or each wait is 50 ms too long."""

    can = frozenset({"rate"})

    def start(self) -> None:
        self.module = importlib.import_module("pyrate_limiter")
        self.redis = _redis(self.url)
        threading.excepthook = lambda _: None  # its leaker ends with a traceback when Redis is away

    def limit(self, rate: int) -> None:
        self.limiter = self.module.Limiter(self.bucket(rate), buffer_ms=0)

    def bucket(self, rate: int) -> Any:
        rates = [self.module.Rate(rate, self.module.Duration.SECOND)]
        return self.module.RedisBucket.init(rates, self.redis, "bucket")

    def acquire(self) -> bool:
        passed: bool = self.limiter.try_acquire("site", blocking=False)
        return passed

    def wait(self, until: float) -> bool:
        left = max(0.001, until - time.monotonic())
        passed: bool = self.limiter.try_acquire("site", timeout=left)
        return passed


class PyrateGcra(Pyrate):
    """Its GCRA, one at a time, or as many as are due within a tick of its clock: that counts ms."""

    def bucket(self, rate: int) -> Any:
        burst = max(1, rate // 1000)
        rates = [self.module.Rate(rate, self.module.Duration.SECOND, burst=burst)]
        store = self.module.RedisStateStore(self.redis, "gcra")
        return self.module.StateBucket(rates, self.module.GCRA(), store)


class Throttled(Engine):
    """`throttled-py`, its GCRA, one at a time."""

    can = frozenset({"rate"})
    using = "gcra"

    def start(self) -> None:
        self.module = importlib.import_module("throttled")
        self.store = self.module.RedisStore(server=self.url)

    def limit(self, rate: int) -> None:
        quota = self.module.per_sec(rate, burst=1)
        self.limiter = self.module.Throttled(
            "site", using=self.using, quota=quota, store=self.store
        )

    def acquire(self) -> bool:
        return not self.limiter.limit().limited

    def wait(self, until: float) -> bool:
        return not self.limiter.limit(timeout=max(0.001, until - time.monotonic())).limited


class ThrottledWindow(Throttled):
    """Its sliding window: two counters, not exact."""

    using = "sliding_window"


class PyBreaker(Engine):
    """`pybreaker` with its storage in Redis."""

    can = frozenset({"breaker"})

    def start(self) -> None:
        self.module = importlib.import_module("pybreaker")
        self.shut = (self.module.CircuitBreakerError,)
        self.redis = _redis(self.url)
        logging.disable()  # it tells each lost call with its traceback

    def breaker(self, name: str, failures: int, rest_s: float, lease_s: float = 60.0) -> None:
        del lease_s  # a trial is not held
        storage = self.module.CircuitRedisStorage("closed", self.redis, namespace=name)
        self.one = self.module.CircuitBreaker(
            fail_max=failures,
            reset_timeout=rest_s,
            state_storage=storage,
            throw_new_error_on_trip=False,
        )
        self.call = self.one.call  # type: ignore[method-assign]


class Purgatory(Engine):
    """`purgatory`, async: its sync one calls an async client and waits for nothing."""

    can = frozenset({"breaker"})

    def start(self) -> None:
        self.module = importlib.import_module("purgatory")
        model = importlib.import_module("purgatory.domain.model")
        self.shut = (model.OpenedState,)
        self.loop = asyncio.new_event_loop()

    def breaker(self, name: str, failures: int, rest_s: float, lease_s: float = 60.0) -> None:
        del lease_s
        self.name = name
        self.factory = self.module.AsyncCircuitBreakerFactory(
            failures, rest_s, uow=self.module.AsyncRedisUnitOfWork(self.url)
        )
        self.loop.run_until_complete(self.factory.initialize())

    def call(self, work: Callable[[], Any]) -> Any:
        return self.loop.run_until_complete(self._call(work))

    def calls(self, work: Callable[[], Any], until: float) -> int:
        async def again_and_again() -> int:
            count = 0
            while time.monotonic() < until:
                await self._call(work)
                count += 1
            return count

        return self.loop.run_until_complete(again_and_again())

    async def _call(self, work: Callable[[], Any]) -> Any:
        async with await self.factory.get_breaker(self.name):
            return work()


class RedisLock(Engine):
    """redis-py's lock: one slot."""

    can = frozenset({"slots"})

    def start(self) -> None:
        self.redis = _redis(self.url)

    def slots(self, limit: int, lease_s: float) -> None:
        del limit  # it is a lock
        self.lock = self.redis.lock("slot", timeout=lease_s, sleep=LOOK_S)

    def take(self, until: float) -> bool:
        left = max(0.0, until - time.monotonic())
        taken: bool = self.lock.acquire(blocking=bool(until), blocking_timeout=left or None)
        return taken

    def free(self) -> None:
        self.lock.release()


class Three(Engine):
    """All three as one puts them together today: `limits`, `pybreaker` and redis-py's lock."""

    can = frozenset({"all"})

    def start(self) -> None:
        self.rate, self.lock, self.guard = (
            Limits(self.url),
            RedisLock(self.url),
            PyBreaker(self.url),
        )

    def all(self) -> None:
        self.rate.limit(NO_LIMIT)
        self.guard.breaker("site", 5, 30)
        self.lock.slots(1, 60)

    def request(self) -> None:
        assert self.rate.acquire()
        assert self.lock.take(0)
        self.guard.call(int)
        self.lock.free()


class BareRedisPy(Engine):
    """A script that decides nothing, twice, as most send it: with redis-py."""

    can = frozenset({"all"})

    def start(self) -> None:
        self.redis = _redis(self.url)
        self.sha = self.redis.script_load("return 1")

    def all(self) -> None:
        """There is nothing to set."""

    def request(self) -> None:
        self.redis.evalsha(self.sha, 0)
        self.redis.evalsha(self.sha, 0)
