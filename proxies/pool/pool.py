"""The pool: every live proxy with what the last check found, shared by all workers in Redis."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.script import Call, load
from proxies.model import Proxy, Verdict, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis

#: So many failed requests in a row evict a proxy.
EVICTED_AT = 3
#: A staged pool that nobody put into its place is forgotten after this long, in seconds.
STAGED_TTL_S = 600
#: Records written in one command.
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Record:
    """A live proxy in the pool; `age_s` is the time since its check, on the server's clock."""

    verdict: Verdict
    failures: int = 0
    age_s: float = 0.0

    @property
    def proxy(self) -> Proxy:
        """The proxy."""
        return self.verdict.proxy

    def usable(self, fresh_for: float) -> bool:
        """Whether it is live, fresh, hides us, and works in real requests."""
        return self.verdict.usable and self.age_s <= fresh_for and self.failures < EVICTED_AT


@dataclass(frozen=True, slots=True)
class PoolState:
    """One consistent look at the pool."""

    records: tuple[Record, ...]
    generation: int
    refreshed_at: float | None  #: seconds since 1970, on the server's clock
    refresh: str  #: id of the refresh that made it
    now: float  #: the server's clock

    def usable(self, fresh_for: float) -> list[Record]:
        """The usable ones, quickest first."""
        return [record for record in self.records if record.usable(fresh_for)]


@dataclass(frozen=True, slots=True)
class Pool:
    """What is done with it."""

    redis: Redis
    keys: Keys

    def state(self) -> PoolState:
        """Read all of it, quickest first."""
        # No transaction: a Redis that is full queues none, not even one that only reads. So the
        # generation comes first: what is read after it is never older than it.
        with self.redis.pipeline(transaction=False) as pipe:
            pipe.hgetall(self.keys.pool_meta())
            pipe.hgetall(self.keys.pool())
            pipe.hgetall(self.keys.pool_failures())
            pipe.time()
            meta, pool, failures, now = pipe.execute()
        return state_of(pool, failures, meta, now)

    def generation(self) -> int:
        """How often it has changed."""
        return int(self.redis.hget(self.keys.pool_meta(), "generation") or 0)

    def usable(self, fresh_for: float) -> list[Record]:
        """Every proxy that was checked within `fresh_for` seconds, hides us and works."""
        return self.state().usable(fresh_for)

    def counts(self, fresh_for: float = float("inf")) -> dict[str, Any]:
        """Return `{"live", "usable", "refreshed_at", "generation"}`."""
        state = self.state()
        return {
            "live": len(state.records),
            "usable": len(state.usable(fresh_for)),
            "refreshed_at": state.refreshed_at,
            "generation": state.generation,
        }

    def replace(self, verdicts: Sequence[Verdict], *, floor: int = 0) -> int:
        """Put the live ones of `verdicts` in the place of all that was there.

        Return the new generation, which is higher than `floor`.
        """
        staged = self.stage(verdicts)
        keys = [self.keys.pool(), staged, self.keys.pool_failures(), self.keys.pool_meta()]
        args = [floor, *live_and_usable(verdicts)]
        return Call(load("proxies", "refresh", "pool", "replace"), keys, args, int).run(self.redis)

    def stage(self, verdicts: Sequence[Verdict]) -> str:
        """Write a new pool beside the old one; return its key."""
        staged = self.keys.pool_staged(uuid.uuid4().hex)
        live = [verdict for verdict in verdicts if verdict.live]
        with self.redis.pipeline(transaction=False) as pipe:
            for first in range(0, len(live), _AT_ONCE):
                piece = live[first : first + _AT_ONCE]
                pipe.hset(staged, mapping={v.proxy.key: json.dumps(v.as_json()) for v in piece})
            pipe.expire(staged, STAGED_TTL_S)
            pipe.execute()
        return staged

    def add(self, proxies: Iterable[Proxy]) -> int:
        """Take proxies into every refresh from now on; return how many are new."""
        words = [word for proxy in proxies for word in (proxy.key, proxy.url)]
        return int(self.redis.hset(self.keys.pool_added(), items=words)) if words else 0

    def remove(self, proxy: Proxy) -> bool:
        """Forget a proxy, until a source or `add` names it again; tell whether it was there."""
        keys = [
            self.keys.pool(),
            self.keys.pool_failures(),
            self.keys.pool_added(),
            self.keys.pool_meta(),
        ]
        return Call(_script("remove"), keys, [proxy.key, EVICTED_AT], bool).run(self.redis)

    def added(self) -> list[Proxy]:
        """The proxies that people added."""
        return [parse(str(url)) for url in self.redis.hvals(self.keys.pool_added())]


def state_of(
    pool: Mapping[str, str],
    failures: Mapping[str, str],
    meta: Mapping[str, str],
    time: tuple[int, int],
) -> PoolState:
    """Make sense of what Redis replied."""
    verdicts = [Verdict.from_json(json.loads(text)) for text in pool.values()]
    verdicts.sort(key=lambda verdict: verdict.latency_ms)
    return state_at(verdicts, failures, meta, time)


def state_at(
    verdicts: Iterable[Verdict],
    failures: Mapping[str, str],
    meta: Mapping[str, str],
    time: tuple[int, int],
) -> PoolState:
    """The same, where the verdicts are known already: those of the generation that `meta` names."""
    now = time[0] + time[1] / 1e6
    records = []
    for verdict in verdicts:
        age = max(0.0, now - verdict.checked_at)
        row = int(failures.get(verdict.proxy.key, "0").split()[0])  # as `ledger.Failing` is written
        records.append(Record(verdict, row, age))
    refreshed = meta.get("refreshed_at")
    return PoolState(
        tuple(records),
        int(meta.get("generation", 0)),
        float(refreshed) if refreshed else None,
        meta.get("refresh", ""),
        now,
    )


def live_and_usable(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    """How many of these are live, and how many of them hide us."""
    live = [verdict for verdict in verdicts if verdict.live]
    return len(live), sum(verdict.usable for verdict in live)


def _script(verb: str) -> Any:
    return load("proxies", "pool", verb)
