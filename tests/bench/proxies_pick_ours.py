"""Our own picking in simulated time: the product itself, with its scripts on a real server."""

from __future__ import annotations

import random
from typing import Any

from redis.exceptions import NoScriptError

from orchestrator.core.keys import Keys
from orchestrator.core.redis import Redis
from orchestrator.core.resp import Connection, ReplyError, encode
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool.picker import Lease, Outcome, Picker
from proxies.pool.pool import Pool
from tests.support.fake_clock import FakeClock
from tests.support.timed_scripts import CLOCK, TimedScripts

KEYS = Keys("bench:")
#: Simulated time begins here: 0 is what a record has that was never written.
BEGIN_S = 1_000_000.0


class InTime:
    """What the picker takes for its client: each call happens at the moment of the clock, at once."""

    def __init__(self, url: str, clock: FakeClock) -> None:
        self._connection = Connection(url, timeout=60.0)  # the machine may be busy
        self._clock = clock

    async def evalsha(self, *words: str | float) -> Any:
        try:
            return self._run("EVALSHA", *words)
        except ReplyError as error:
            if error.code != "NOSCRIPT":
                raise
            raise NoScriptError from error

    async def eval(self, *words: str | float) -> Any:
        return self._run("EVAL", *words)

    def close(self) -> None:
        self._connection.close()

    def _run(self, *words: str | float) -> Any:
        connection = self._connection
        connection.send(encode("SET", CLOCK, f"{self._clock.now:.6f}") + encode(*map(str, words)))
        connection.receive()
        return _text(connection.receive())


class Ours:
    """A picker for each worker, over one pool, which nobody has used yet."""

    def __init__(self, url: str, redis: Redis, proxies: int, workers: int, seed: int) -> None:
        redis.flushall()
        self._proxies = [Proxy("http", f"10.0.{n // 256}.{n % 256}", 8080) for n in range(proxies)]
        self._index = {proxy.key: n for n, proxy in enumerate(self._proxies)}
        verdicts = [Verdict(p, BEGIN_S, anonymity=Anonymity.ELITE) for p in self._proxies]
        Pool(redis, KEYS).replace(verdicts)
        self._clock = FakeClock(BEGIN_S)
        self._client = InTime(url, self._clock)
        self._pickers = [self._picker(f"{seed} {worker}") for worker in range(workers)]

    async def pick(self, now: float, worker: int, site: int) -> tuple[int, object] | None:
        self._clock.now = BEGIN_S + now
        lease = await self._pickers[worker].pick(f"site-{site}")
        return (self._index[lease.proxy.key], (worker, lease)) if lease else None

    async def report(self, now: float, ticket: object, outcome: str, seconds: float) -> None:
        assert isinstance(ticket, tuple)
        worker, lease = ticket
        assert isinstance(lease, Lease)
        self._clock.now = BEGIN_S + now
        await self._pickers[worker].report(lease, Outcome(outcome), seconds)

    def close(self) -> None:
        self._client.close()

    def _picker(self, seed: str) -> Picker:
        client: Any = self._client
        return Picker(
            client,
            KEYS,
            1e9,
            clock=self._clock,
            draw=random.Random(seed),
            scripts=TimedScripts(),
        )


def _text(found: Any) -> Any:
    if isinstance(found, bytes):
        return found.decode()
    return [_text(each) for each in found] if isinstance(found, list) else found
