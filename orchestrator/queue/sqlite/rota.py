"""Whose jobs are next: keys take turns, and the hosts of a key; what is at its limit waits outside."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.queue.model import NEVER_SET, Limits
from orchestrator.queue.sqlite.queries import load

if TYPE_CHECKING:
    from orchestrator.queue.sqlite.turn import Turn

#: Parked lanes, or places of a key, among which the one that may run is looked for when a lease ends.
BACK = 8
#: Those that come back in one `lease` because they have waited long: both together are no more than half of
#: what it looks at (leasing.LOOKS), or those would be all that it ever looks at.
HEALED = 16
#: Milliseconds after which a parked one is looked at again, whatever has happened.
PARKED_MS = 500

_SQL = load("lease")


@lru_cache(maxsize=16)
def parsed(text: str) -> Limits:
    """The limits that `written` wrote; "": nobody has set any."""
    if not text:
        return NEVER_SET
    said = json.loads(text)
    return Limits(**{**said, "defaults": frozenset(said.get("defaults", ()))})


def written(limits: Limits) -> str:
    """Limits as JSON."""
    return json.dumps(
        {
            "per_key": dict(limits.per_key),
            "every_key": limits.every_key,
            "per_host": limits.per_host,
            "defaults": sorted(limits.defaults),
        }
    )


def limits(turn: Turn) -> Limits:
    """The limits that hold."""
    return parsed(turn.limits)


def set_limits(turn: Turn, new: Limits) -> None:
    """Have others hold; whatever is parked is looked at again."""
    turn.limits = written(new)
    turn.db.execute(_SQL["set_limits"], (turn.limits,))
    turn.db.execute(_SQL["free_keys"])
    turn.db.execute(_SQL["free_hosts"])
    turn.arrivals += 1


def room_of_key(turn: Turn, key: str, wanted: int) -> int:
    """How many more of a key may be leased, as far as so many are wanted."""
    limit = limits(turn).of_key(key)
    if limit is None:
        return wanted
    words = (key, turn.now, limit) if key else (turn.now, limit)
    query = _SQL["held_of_key"] if key else _SQL["held_of_no_key"]
    return min(wanted, limit - int(turn.db.execute(query, words).fetchone()[0]))


def room_of_host(turn: Turn, host: str, wanted: int) -> int:
    """The same of a host."""
    limit = limits(turn).of_host(host)
    if limit is None:
        return wanted
    words = (host, turn.now, limit)
    return min(wanted, limit - int(turn.db.execute(_SQL["held_of_host"], words).fetchone()[0]))


def freed(turn: Turn, key: str, host: str) -> None:
    """A lease of this key and host has ended: one that waited for its place is looked at again."""
    if not turn.limits:
        return
    offer_host(turn, host)
    offer_key(turn, key)


def emptied(turn: Turn, priority: int, key: str, host: str) -> None:
    """A ready job of this lane was taken out: a lane, and a key, without any take no turns."""
    if turn.db.execute(_SQL["end_empty_host"], (priority, key, host)).rowcount > 0:
        turn.db.execute(_SQL["end_key"], (priority, key))
        offer_host(turn, host)


def offer_key(turn: Turn, key: str) -> None:
    """A place of a key is free: of its lanes that wait for nothing else the most urgent ones come back."""
    if limits(turn).of_key(key) is None or room_of_key(turn, key, 1) <= 0:
        return
    for priority, name in turn.db.execute(_SQL["waiting_of_key"], (key, BACK)).fetchall():
        if turn.db.execute(_SQL["hosts"], (priority, name, 1)).fetchone():
            _come_back(turn, priority, name)
            break


def offer_host(turn: Turn, host: str) -> None:
    """A place of a host is free: the first in the line for it whose key may run comes back.

    Were there more than there are places, those in vain would be all that a `lease` ever looks at.
    """
    if limits(turn).of_host(host) is None or room_of_host(turn, host, 1) <= 0:
        return
    for priority, key, _ in turn.db.execute(_SQL["waiting_of_host"], (host, BACK)).fetchall():
        turn.db.execute(_SQL["park_host"], (0, priority, key, host))
        if room_of_key(turn, key, 1) > 0:
            _come_back(turn, priority, key)
            break


def heal(turn: Turn, key_due: int | None, lane_due: int | None) -> None:
    """Look again at what has been parked for long."""
    now = turn.now
    if lane_due is not None and lane_due <= now:
        for lane in turn.db.execute(_SQL["parked_hosts"], (now, HEALED)).fetchall():
            turn.db.execute(_SQL["park_host"], (0, *lane))
            _come_back(turn, *lane[:2])
    if key_due is not None and key_due <= now:
        for place in turn.db.execute(_SQL["parked_keys"], (now, HEALED)).fetchall():
            _come_back(turn, *place)


def _come_back(turn: Turn, priority: int, key: str) -> None:
    """Let a key take turns again, if it did not: behind all that do, so that it holds nobody up."""
    turn.db.execute(_SQL["unpark_key"], (turn.draw(), priority, key))
    turn.arrivals += 1
