"""How the gates of sites stand, for people and programs: read only, in one round trip."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.core.redis import RedisError
from orchestrator.gate.limits import Limits
from orchestrator.gate.permit import BreakerState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.client import Pipeline

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from orchestrator.gate.picture import (
        BreakerView,
        GateView,
        Glance,
        HolderView,
        HostView,
        RateView,
        WaiterView,
    )

#: The window of a breaker is counted in so many parts.
_TENTHS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """A site, with its limits, and those of its hosts that are worth a row.

    Without limits those count that the processes which use the gate say that they go by.
    """

    site: str
    limits: Limits | None = None
    hosts: Sequence[str] = ()


def names(client: Redis, keys: Keys) -> list[str]:
    """Name the sites whose gate is remembered."""
    return sorted(str(name) for name in client.zrange(keys.gate_sites(), 0, -1))


def glance(client: Redis, keys: Keys, sites: Sequence[str]) -> dict[str, Glance]:
    """Look at many gates; one that nobody used is closed."""
    # No transaction: a Redis that is full queues none, not even one that only reads.
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        for site in sites:
            pipe.hmget(keys.gate(site, "state"), "until", "pause", "set")
        time, *found = _replies(pipe)
    now = _us(time)
    return {site: _glance(known, now) for site, known in zip(sites, found, strict=True)}


def limits_in_use(client: Redis, keys: Keys, site: str) -> Limits | None:
    """Return the limits that processes which use the gate go by; None: nobody does, or said so."""
    return _limits(client.get(keys.gate(site, "terms")))


def read(client: Redis, keys: Keys, asked: Sequence[Asked]) -> list[GateView]:
    """Tell all that is known of these gates."""
    with client.pipeline(transaction=False) as pipe:
        pipe.time()
        for one in asked:
            for host in ("", *one.hosts):
                where = f":{host}" if host else ""
                pipe.hgetall(keys.gate(one.site, f"state{where}"))
                for part in ("slots", "line", "alive"):
                    pipe.zrange(keys.gate(one.site, part + where), 0, -1, withscores=True)
            pipe.zrange(keys.gate(one.site, "users"), 0, -1, withscores=True)
            pipe.get(keys.gate(one.site, "terms"))
        time, *found = _replies(pipe)
    now, replies = _us(time), iter(found)
    return [_view(one, replies, now) for one in asked]


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of a site, or of a host: only what is not over."""

    state: dict[str, str]
    slots: dict[str, int]
    line: dict[str, int]
    now: int

    @property
    def known(self) -> bool:
        """Whether there is anything."""
        return bool(self.state or self.slots or self.line)

    @property
    def trials(self) -> list[str]:
        """Those who decide a half-open breaker."""
        return [one for one in self.state.get("trials", "").split("\n") if one in self.slots]

    def at(self, name: str) -> int:
        """Return a number of the state, 0 if it has none."""
        return int(self.state.get(name, 0))

    def left(self, name: str) -> float:
        """Return how long it is until a point in time, in seconds."""
        return _seconds(self.at(name) - self.now)


def _place(replies: Iterator[Any], now: int) -> _Place:
    state, slots, line, alive = (next(replies) for _ in range(4))
    living = {holder for holder, until in alive if until > now}
    return _Place(
        dict(state),
        {holder: int(ends) for holder, ends in slots if ends > now},
        {holder: int(since) for holder, since in line if holder in living},
        now,
    )


def _replies(pipe: Pipeline) -> list[Any]:
    """Run it; what is refused is told in the server's own words, as others know them."""
    replies: list[Any] = pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, RedisError):
            raise reply
    return replies


def _limits(text: Any) -> Limits | None:
    try:
        return Limits(**json.loads(text)) if text else None
    except (TypeError, ValueError):  # another version's
        return None


def _view(asked: Asked, replies: Iterator[Any], now: int) -> GateView:
    site, *places = (_place(replies, now) for _ in range(1 + len(asked.hosts)))
    users = [user for user, until in next(replies) if until > now]
    in_use = _limits(next(replies))
    limits = asked.limits or in_use
    of_host = (limits.host_rate, limits.host_slots) if limits else (None, None)
    return {
        "site": asked.site,
        "known": site.known or bool(users),
        "rate": _rate(site, limits),
        "next_in_s": max(site.left("pause"), _turn(site, limits)),
        "pause_s": site.left("pause"),
        "breaker": _breaker(site, limits),
        "slot_limit": limits.slots if limits else None,
        "slots": [_holder(one, site, limits) for one in site.slots],
        "waiting": [_waiter(one, since, now) for one, since in site.line.items()],
        "host_per_s": of_host[0],
        "host_slot_limit": of_host[1],
        "hosts": [
            _host(host, place, limits) for host, place in zip(asked.hosts, places, strict=True)
        ],
        "processes": len(users),
    }


def _rate(site: _Place, limits: Limits | None) -> RateView:
    full, pace = _intervals(site, limits)
    slowed = pace > full
    slowest = max(full, limits.slowest_us) if limits and limits.adaptive else 0
    return {
        "now_per_s": _per_s(max(full, pace)),
        "configured_per_s": limits.rate or None if limits else None,
        "set_per_s": _per_s(site.at("set")),
        "adaptive_per_s": _per_s(pace) if slowed else None,
        "lowest_per_s": _per_s(slowest),
        "slowed_for": site.state.get("cut_for") if slowed else None,
        "slowed_ago_s": _seconds(site.now - site.at("cut_at")) if slowed else None,
    }


def _intervals(site: _Place, limits: Limits | None) -> tuple[int, int]:
    """Time between two requests at full speed, 0 being no limit, and as the site is spared now."""
    full = site.at("set") or (limits.interval_us if limits else 0)
    if limits and not limits.rate:  # nobody waits for a turn there
        return 0, 0
    return full, 0 if limits and not limits.adaptive else site.at("pace")


def _turn(site: _Place, limits: Limits | None) -> float:
    full, pace = _intervals(site, limits)
    if not full or not limits:
        return site.left("due")
    earlier = (limits.burst - 1) * min(max(full, pace), limits.interval_us)
    return _seconds(site.at("due") - earlier - site.now)


def _breaker(site: _Place, limits: Limits | None) -> BreakerView:
    state, rest = _state(site.state.get("until"), site.now)
    counts = _window(site, limits) if state is BreakerState.CLOSED else []
    return {
        "state": str(state),
        "why": site.state.get("why", ""),
        "rest_s": rest,
        "trips": site.at("trips"),
        "trials": len(site.trials),
        "failed": sum(bad for _, bad in counts),
        "judged": sum(good + bad for good, bad in counts),
    }


def _window(site: _Place, limits: Limits | None) -> list[tuple[int, int]]:
    """What was reported in the tenths of the window that are not over: good ones and bad ones."""
    if limits is None:
        return []
    tenth = site.now * _TENTHS // round(limits.window_s * 1e6)
    entries = (site.state.get(f"w{nth}", "-1 0 0").split() for nth in range(_TENTHS))
    return [
        (int(good), int(bad)) for at, good, bad in entries if tenth - _TENTHS < int(at) <= tenth
    ]


def _host(host: str, place: _Place, limits: Limits | None) -> HostView:
    earlier = (limits.host_burst - 1) * limits.host_interval_us if limits else 0
    return {
        "host": host,
        "next_in_s": _seconds(place.at("due") - earlier - place.now),
        "slots_held": len(place.slots),
        "waiting": len(place.line),
    }


def _holder(holder: str, site: _Place, limits: Limits | None) -> HolderView:
    who, host = _names(holder)
    left = site.slots[holder] - site.now
    return {
        "who": who,
        "host": host,
        "lease_left_s": _seconds(left),
        # Whoever has booked ahead has a lease from then on.
        "due_in_s": _seconds(left - limits.lease_us if limits else 0),
        "trial": holder in site.trials,
    }


def _waiter(holder: str, since: int, now: int) -> WaiterView:
    who, host = _names(holder)
    return {"who": who, "host": host, "waited_s": _seconds(now - since)}


def _names(holder: str) -> tuple[str, str]:
    """Who it is, and the host; a holder is `INSTANCE.N WHO HOST`."""
    _, who, host = [*holder.split(" ", 2), "", ""][:3]
    return who, host


def _glance(known: Sequence[str | None], now: int) -> Glance:
    until, pause, rate = known
    state, rest = _state(until, now)
    return {
        "breaker": str(state),
        "retry_in_s": rest,
        "pause_s": _seconds(int(pause or 0) - now),
        "set_per_s": _per_s(int(rate or 0)),
    }


def _state(until: str | None, now: int) -> tuple[BreakerState, float]:
    if until is None:
        return BreakerState.CLOSED, 0.0
    rest = _seconds(int(until) - now)
    return BreakerState.OPEN if rest else BreakerState.HALF_OPEN, rest


def _per_s(interval: int) -> float | None:
    """Of a whole number of µs, so that the digits behind the fourth say nothing."""
    return float(f"{1e6 / interval:.4g}") if interval else None


def _us(time: Sequence[int]) -> int:
    return int(time[0]) * 1_000_000 + int(time[1])


def _seconds(us: int) -> float:
    """How long that is; nothing if it is over."""
    return max(0, us) / 1_000_000
