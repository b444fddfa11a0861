"""How long a worker owes a proof of life: pure reckoning, by a clock that stops for every excuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Two looks further apart than this mean that the process itself stood still, in seconds.
STOOD_STILL_S = 6.0
#: Who uses at least this share of a processor is at work.
BUSY_SHARE = 0.05


@dataclass(slots=True)
class FairClock:
    """Seconds in which nothing excuses a silence: Redis took our word, and we did not stand still.

    What was owed before a night's sleep, or while Redis was away, is not held against anybody.
    """

    now: float = 0.0
    _looked_at: float | None = None
    _was_fair: bool = False

    def look(self, at: float, *, fair: bool) -> float:
        """Go on to the monotonic time `at` and return how far the clock went."""
        passed = 0.0
        if self._looked_at is not None and self._was_fair and fair:
            passed = at - self._looked_at
        if passed > STOOD_STILL_S:
            passed = 0.0
        self.now += passed
        self._looked_at, self._was_fair = at, fair
        return passed


@dataclass(slots=True)
class Owed:
    """Since when something has been owed; nothing while `due` is false."""

    since: float | None = None

    def look(self, now: float, *, due: bool) -> float:
        """Return for how many seconds it has been owed without a break."""
        if not due:
            self.since = None
        elif self.since is None:
            self.since = now
        return 0.0 if self.since is None else now - self.since


@dataclass(frozen=True, slots=True)
class Activity:
    """What a running task's process has done up to now: signs given, seconds of a processor used."""

    signs: int
    cpu_s: float = 0.0
    disk_wait: bool = False


@dataclass(slots=True)
class Standstill:
    """For how long not one of the running tasks has got on.

    A task gets on while it gives signs, uses the processor or waits for the disk. One of which nothing
    is known is not judged, and excuses the others.
    """

    _seen: dict[int, tuple[Activity, float]] = field(default_factory=dict)

    def look(
        self, now: float, passed: float, running: Mapping[int | None, Activity | None]
    ) -> float:
        """Return the seconds for which all of `running` (by pid) have stood still.

        `passed` since the last look.
        """
        self._seen = {
            pid: self._judge(pid, activity, now, passed)
            for pid, activity in running.items()
            if pid is not None and activity is not None
        }
        if not running or len(self._seen) < len(running):
            return 0.0
        return now - max(since for _, since in self._seen.values())

    def _judge(
        self, pid: int, activity: Activity, now: float, passed: float
    ) -> tuple[Activity, float]:
        if pid not in self._seen:
            return activity, now
        before, since = self._seen[pid]
        gets_on = (
            activity.signs != before.signs
            or activity.disk_wait
            or activity.cpu_s - before.cpu_s > BUSY_SHARE * passed
        )
        return activity, now if gets_on else since
