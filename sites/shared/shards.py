"""Who works on a job: leases of a few shards, each reserved by a dispatcher and renewed by itself."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from orchestrator.core.redis import RedisError
from orchestrator.core.script import Call, load
from orchestrator.gate.orphans import give_back
from sites.crawl.beat import Beat, Word
from sites.job.state import JobState
from sites.politeness.gates import asker
from sites.shared.holder import Holder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from sites.job.ref import JobRef

#: A shard that was sent to the workers has so long to begin, in seconds.
RESERVATION_S = 10.0
#: A shard that does not renew for so long is dead, in seconds; beat sees that within 0.5 s. One that lives
#: is silent for less, also when Redis is away for 2 s and a large page holds it up.
SHARD_TTL_S = 4.0
#: How long a shard's word on why it does not get on is believed, in seconds.
REASON_S = 3.0


class Shards:
    """The shard leases of jobs."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    def live(self, refs: Sequence[JobRef]) -> list[int]:
        """Return how many live leases, reservations included, each job has."""
        now = _now_ms(self._redis)
        with self._redis.pipeline(transaction=False) as pipe:
            for ref in refs:
                pipe.zcount(self._set(ref), f"({now}", "+inf")
            return [int(count) for count in pipe.execute()]

    def reserve(
        self, ref: JobRef, active: Sequence[JobRef], *, per_job: int, budget: int
    ) -> str | None:
        """Reserve a place for one more shard of `ref`, if it and all jobs together may have one."""
        holder = f"reserved:{secrets.token_hex(8)}"
        names = [self._set(ref), *(self._set(other) for other in {ref, *active})]
        words: list[str | int] = [holder, _ms(RESERVATION_S), per_job, budget]
        return (
            holder
            if Call(load("sites.shared", "reserve"), names, words, bool).run(self._redis)
            else None
        )

    def begin(self, ref: JobRef, reservation: str, node: str = "") -> str | None:
        """Swap the reservation for a lease of one's own; None when there is nothing to do here.

        A message that comes a second time finds no reservation. It takes over the lease of the first
        time when whoever held that has certainly ended (by `node` and start, see `Holder`). The pages of
        shards that have ended come back at once, where nobody else works on the job; its slots do anyway.
        """
        me = Holder.of_this_process(reservation, node)
        if self._swap(ref, reservation, str(me)):
            return str(me)
        left = [lease for lease in self._leases(ref) if me.follows(lease)]
        if not left or not self._swap(ref, left[0], str(me)):
            return None
        with suppress(RedisError):  # they run out by themselves
            give_back(self._redis, self._keys, ref.site, asker(node, Holder.pid_of(left[0])))
        return str(me)

    def end(self, ref: JobRef, holder: str) -> None:
        """Give the lease (or the reservation) back."""
        with self._redis.pipeline() as pipe:
            pipe.zrem(self._set(ref), holder)
            pipe.hdel(self._keys.job(ref.site, ref.id, "pace"), holder)
            pipe.execute()

    def _swap(self, ref: JobRef, lease: str, holder: str) -> bool:
        record = self._keys.job(ref.site, ref.id, "record")
        names = [self._set(ref), record, self._keys.frontier(ref.site, ref.id).leased]
        words: list[str | int] = [lease, holder, _ms(SHARD_TTL_S)]
        return Call(load("sites.shared", "begin"), names, words, bool).run(self._redis)

    def _leases(self, ref: JobRef) -> list[str]:
        return [str(lease) for lease in self._redis.zrange(self._set(ref), 0, -1)]

    def _set(self, ref: JobRef) -> str:
        return self._keys.job(ref.site, ref.id, "shards")


def beat_call(keys: Keys, ref: JobRef, holder: str, word: Word) -> Call[Beat]:
    """Return the renewal of a shard's lease as a call."""
    names = [
        *(keys.job(ref.site, ref.id, name) for name in ("shards", "record", "pace", "health")),
        keys.results_bytes(),
        keys.yield_wanted(),
    ]
    words: list[str | int | float] = [
        *(holder, _ms(SHARD_TTL_S)),
        *(f"{word.rate:.3f}", word.reason, _ms(REASON_S)),
    ]
    return Call(load("sites.shared", "beat"), names, words, _beat)


def _beat(reply: list[Any]) -> Beat:
    held, state, live, backlog, wanted = reply
    return Beat(bool(held), JobState(state) if state else None, live, backlog, wanted)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _now_ms(redis: Redis) -> int:
    seconds, micros = redis.time()
    return int(seconds) * 1000 + int(micros) // 1000
