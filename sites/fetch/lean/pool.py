"""Connections that wait for their next request: few, not for long, and each for so many requests."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from sites.fetch.lean.wire import Wire

#: Wait at most; the one that was used longest ago goes first.
MOST_IDLE = 256
#: Servers close what is idle: by then we have, in seconds.
IDLE_S = 15.0
#: A connection is renewed after so long, and after so many requests.
OLDEST_S = 300.0
MOST_USES = 1000


class Pool:
    """Wires by where they lead; `time` is the event loop's."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        #: With the time since when each waits, in that order.
        self._idle: OrderedDict[Wire, tuple[Hashable, float]] = OrderedDict()
        self._ways: dict[Hashable, list[Wire]] = {}

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, way: Hashable) -> Wire | None:
        """Return the one that was used last, which is the likeliest to be there still."""
        while wires := self._ways.get(way):
            wire = wires[-1]
            _, since = self._idle[wire]
            self._drop(wire)
            if wire.usable and self._time() - since < IDLE_S:
                wire.uses += 1
                return wire
            wire.close()
        return None

    def give(self, way: Hashable, wire: Wire) -> None:
        """Keep one whose last answer is read to its end."""
        now = self._time()
        if not wire.usable or wire.uses >= MOST_USES or now - wire.made_at >= OLDEST_S:
            wire.close()
            return
        self._idle[wire] = (way, now)
        self._ways.setdefault(way, []).append(wire)
        while len(self._idle) > MOST_IDLE or now - self._oldest() >= IDLE_S:
            self._drop_oldest()

    def close(self) -> None:
        """Close them all."""
        while self._idle:
            self._drop_oldest()

    def _oldest(self) -> float:
        return next(iter(self._idle.values()))[1]

    def _drop_oldest(self) -> None:
        wire = next(iter(self._idle))
        self._drop(wire)
        wire.close()

    def _drop(self, wire: Wire) -> None:
        way, _ = self._idle.pop(wire)
        self._ways[way].remove(wire)
        if not self._ways[way]:
            del self._ways[way]
