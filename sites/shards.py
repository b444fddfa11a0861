"""Who works on a job: leases of a few shards, each reserved by a dispatcher and renewed by itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.script import Call, load
from sites.holder import Holder
from sites.state import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from sites.move import JobRef

#: A shard that was sent to the workers has so long to begin, in seconds.
RESERVATION_S = 10.0
#: A shard that does not renew for so long is dead, in seconds.
SHARD_TTL_S = 5.0
#: How often it renews, in seconds.
BEAT_EVERY_S = 1.0
#: What a job that has no shard leaves to ask the others for a slot; a refresh leaves another word.
WANTED_BY_SITES = "sites"
#: How long a shard's word on why it does not get on is believed, in seconds.
REASON_S = 3.0


@dataclass(frozen=True, slots=True)
class Beat:
    """What a shard learns when it renews its lease; `wanted_by` says who waits for its slot."""

    held: bool
    state: JobState | None
    live: int
    backlog: int
    wanted_by: str


@dataclass(frozen=True, slots=True)
class Word:
    """What a shard says when it renews its lease: its pace, and why it does not get on."""

    rate: float = 0.0
    reason: str = ""


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
            holder if Call(load("sites", "reserve"), names, words, bool).run(self._redis) else None
        )

    def begin(self, ref: JobRef, reservation: str, node: str = "") -> str | None:
        """Swap the reservation for a lease of one's own; None when there is nothing to do here.

        A message that comes a second time finds no reservation. It takes over the lease of the first
        time when whoever held that has certainly ended (by `node` and start, see `Holder`).
        """
        me = Holder.of_this_process(reservation, node)
        if self._swap(ref, reservation, str(me)):
            return str(me)
        left = [lease for lease in self._leases(ref) if me.follows(lease)]
        return str(me) if left and self._swap(ref, left[0], str(me)) else None

    def end(self, ref: JobRef, holder: str) -> None:
        """Give the lease (or the reservation) back."""
        with self._redis.pipeline() as pipe:
            pipe.zrem(self._set(ref), holder)
            pipe.hdel(self._keys.job(ref.site, ref.id, "pace"), holder)
            pipe.execute()

    def _swap(self, ref: JobRef, lease: str, holder: str) -> bool:
        names = [self._set(ref), self._keys.job(ref.site, ref.id, "record")]
        words: list[str | int] = [lease, holder, _ms(SHARD_TTL_S)]
        return Call(load("sites", "begin"), names, words, bool).run(self._redis)

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
    return Call(load("sites", "beat"), names, words, _beat)


def _beat(reply: list[Any]) -> Beat:
    held, state, live, backlog, wanted = reply
    return Beat(bool(held), JobState(state) if state else None, live, backlog, wanted)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _now_ms(redis: Redis) -> int:
    seconds, micros = redis.time()
    return int(seconds) * 1000 + int(micros) // 1000
