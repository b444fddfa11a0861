"""When the next request is due, and how fast the site lets us be: reckoning in whole µs, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.gate.permit import Verdict

if TYPE_CHECKING:
    from orchestrator.gate.limits import Limits

_SECOND = 1_000_000
#: Answers drag when they take so many times as long as they used to, and so much longer, in µs.
_DRAG_TIMES, _DRAG_US = 3, 100_000


@dataclass(slots=True)
class Turns:
    """Points in time for requests, `interval` apart, a few of them at once after a rest (GCRA).

    `due`: when the next is due if the burst is used up, the theoretical arrival time. Some may come
    earlier than that, by `tolerance`: the burst but for one, at the shortest interval there is. So in no
    window are there more than its length / that interval + the burst, also while the interval changes.
    """

    due: int = 0

    def wait(self, now: int, tolerance: int) -> int:
        """How long until there is a turn."""
        return max(0, self.due - tolerance - now)

    def book(self, at: int, interval: int) -> None:
        """Take the turn at `at`, which is not before what `wait` said."""
        self.due = max(self.due, at) + interval

    def give_back(self, at: int, interval: int) -> None:
        """Take back a turn that was not used, if it is the last one; else it is lost."""
        if self.due == at + interval:
            self.due = at


@dataclass(slots=True)
class Pace:
    """What a site makes of the rate: nothing at all before `pause`, and no turn earlier than `us`.

    It halves (`us` doubles) when the site says that it is too much, falls by a fifth when answers begin
    to drag, and rises by a tenth of the full rate while all is well; `us` is 0 at the full rate. Changes
    are so far apart that what is heard comes from after the last one.
    """

    us: int = 0
    pause: int = 0
    cut_at: int | None = None
    raised_at: int = 0
    fast: int | None = None
    slow: int = 0

    def interval(self, limits: Limits) -> int:
        """Time between two requests now; 0: no limit."""
        interval = limits.interval_us
        return self.us if limits.adaptive and self.us > interval > 0 else interval

    def stay_away(self, until: int) -> None:
        """Let nothing pass before `until`."""
        self.pause = max(self.pause, until)

    def hear(self, verdict: Verdict, latency: int | None, now: int, limits: Limits) -> None:
        """Go slower or faster after what a request said; called only if `limits.adaptive`."""
        if verdict is Verdict.OK:
            if latency is not None and self._drags(latency):
                self._slow_down(5, 4, now, limits)
            elif self.us:
                self._speed_up(now, limits.interval_us)
        elif verdict is Verdict.LIMITED or verdict is Verdict.BAN:
            self._slow_down(2, 1, now, limits)

    def _slow_down(self, times: int, parts: int, now: int, limits: Limits) -> None:
        interval = max(limits.interval_us, self.us)
        if self.cut_at is None or now >= self.cut_at + max(_SECOND, 2 * interval):
            slowest = max(limits.interval_us, limits.slowest_us)
            self.us = min(slowest, interval * times // parts)
            self.cut_at = self.raised_at = now

    def _speed_up(self, now: int, full: int) -> None:
        if now >= self.raised_at + max(_SECOND, 4 * self.us):
            # The rates, 1 / us and a tenth of 1 / full, added up.
            faster = self.us * 10 * full // (10 * full + self.us)
            self.us = faster if faster > full else 0
            self.raised_at = now

    def _drags(self, latency: int) -> bool:
        """Whether the moving average of some answers has left that of many behind."""
        if self.fast is None:
            self.fast = self.slow = latency
        self.fast += (latency - self.fast) // 8
        self.slow += (latency - self.slow) // 128
        return self.fast > _DRAG_TIMES * self.slow + _DRAG_US
