"""How a site's gate stands, for people: read only, in one round trip."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from orchestrator.gate.model import BreakerState

if TYPE_CHECKING:
    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis


class GateState(TypedDict):
    """`retry_in_s` counts down while the breaker is open; `trips` are those in a row."""

    breaker: str
    retry_in_s: float
    trips: int
    next_in_s: float
    slots_held: int
    hosts: list[str]


def read_state(client: Redis, keys: Keys, site: str) -> GateState:
    """Read the state of the gate of `site`; one that nobody used is closed and free."""
    # No transaction: a Redis that is full queues none, not even one that only reads.
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        pipe.get(keys.gate(site, "rate"))
        pipe.hgetall(keys.gate(site, "breaker"))
        pipe.zrange(keys.gate(site, "slots"), 0, -1, withscores=True)
        (seconds, micros), due, breaker, held = pipe.execute()
    now = seconds * 1_000_000 + micros
    holders = [holder for holder, ends in held if ends > now]
    rest = int(breaker.get("until", 0)) - now
    return {
        "breaker": _breaker(tripped="until" in breaker, rest=rest),
        "retry_in_s": max(0, rest) / 1_000_000,
        "trips": int(breaker.get("trips", 0)),
        "next_in_s": max(0, int(due or 0) - now) / 1_000_000,
        "slots_held": len(holders),
        "hosts": sorted({holder.partition(" ")[2] for holder in holders}),
    }


def _breaker(*, tripped: bool, rest: int) -> BreakerState:
    if not tripped:
        return BreakerState.CLOSED
    return BreakerState.OPEN if rest > 0 else BreakerState.HALF_OPEN
