"""What a runner leaves for others, and how much of a queue nobody can begin for now."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING

from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from orchestrator.core.clock import Clock
    from orchestrator.queue.model import Lease, Limits, Stats

#: For how long a job that is given back is out of the way, in seconds, while there are fewer of them than
#: that: a runner that gave all of them back in turn, over and over, would do nothing else.
_PAUSES = ((1_000, 5.0), (30_000, 60.0))
_LONGEST_PAUSE_S = 600.0
#: The queue's clock began to count a little earlier or later than ours, in seconds.
_MARGIN_S = 1.0
#: What does not come back within so many seconds of its time, another runner has taken.
_TAKEN_S = 10.0


class Leftovers:
    """Jobs that were given back as their pipeline is missing here, and leases that were let go.

    Threads may share it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        #: By id, oldest first: when it may be leased again, its pipeline and its key.
        self._given_back: dict[str, tuple[float, str, str]] = {}
        #: When the leases run out that were let go.
        self._let_go: list[float] = []
        self._missed: set[str] = set()

    @property
    def pause(self) -> float:
        """For how long, in seconds, the next job that is given back is out of the way."""
        count = len(self._given_back)
        return next((pause for most, pause in _PAUSES if count < most), _LONGEST_PAUSE_S)

    def give_back(self, lease: Lease, pipeline: str, pause: float) -> bool:
        """Note a job that is out of the way for now; tell whether its pipeline is missed for once."""
        with self._lock:
            self._given_back.pop(lease.id, None)
            self._given_back[lease.id] = (self._clock.monotonic() + pause, pipeline, lease.key)
            self._forget_taken()
            first = pipeline not in self._missed
            self._missed.add(pipeline)
            return first

    def let_go(self, ttl: float) -> None:
        """Note a lease that is ours for `ttl` more seconds at the most, and not extended any more."""
        with self._lock:
            self._let_go.append(self._clock.monotonic() + ttl)

    def waiting(self, limits: Limits) -> int:
        """How many jobs wait that were given back; not those that a limit of 0 holds back as well."""
        now = self._clock.monotonic()
        with self._lock:
            keys = [key for at, _, key in self._given_back.values() if at - _MARGIN_S > now]
        return sum(limits.of_key(key) != 0 for key in keys)

    def leased(self) -> int:
        """How many leases that were let go have not run out."""
        now = self._clock.monotonic()
        with self._lock:
            self._let_go = [at for at in self._let_go if at > now]
            return len(self._let_go)

    def missing(self) -> dict[str, int]:
        """How many jobs name which pipeline that this runner does not have, as far as it knows."""
        with self._lock:
            self._forget_taken()
            return dict(Counter(pipeline for _, pipeline, _ in self._given_back.values()))

    def _forget_taken(self) -> None:
        before = self._clock.monotonic() - _TAKEN_S
        taken = takewhile(lambda each: each[1][0] < before, self._given_back.items())
        for job_id in [job_id for job_id, _ in taken]:
            del self._given_back[job_id]


def held_back(stats: Stats, limits: Limits) -> dict[str, int]:
    """How many queued jobs there are of each key whose limit is 0; "": of no key.

    >>> from orchestrator.queue.model import Limits, Stats
    >>> held_back(Stats(queued=5, by_key={"a": {"queued": 2}, "b": {"queued": 1}}), Limits({"a": 0}))
    {'a': 2}
    """
    queued = {key: of.get(QueueState.QUEUED, 0) for key, of in stats.by_key.items() if key}
    queued[""] = stats.queued - sum(queued.values())
    return {key: n for key, n in queued.items() if n > 0 and limits.of_key(key) == 0}
