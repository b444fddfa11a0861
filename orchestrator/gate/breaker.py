"""Whether a site is left alone because it fails: one state machine in whole µs, no clock, no chance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.gate.permit import LOOK_AGAIN_US, BreakerState, Verdict

if TYPE_CHECKING:
    from orchestrator.gate.limits import Limits

_BAD = (Verdict.FAILURE, Verdict.BAN)
_SAYS_NOTHING = (Verdict.NEUTRAL, Verdict.UNUSED)
#: The window is counted in so many parts.
_TENTHS = 10
#: Twice as long so many times in a row is longer than any cap.
_MOST_DOUBLINGS = 40


def _no_counts() -> list[list[int]]:
    return [[-1, 0, 0] for _ in range(_TENTHS)]


@dataclass(slots=True)
class Breaker:
    """Closed (`until` is 0), open before `until`, half-open from then on.

    `epoch` is another one after each opening and closing, and what is reported of an earlier one says
    nothing about this one. `trials`: who tries while it is half-open, and when that lease ends. `trips`
    are those in a row. `window`: (tenth, good, bad) of the last ten tenths of the window.
    """

    epoch: int = 0
    until: int = 0
    trials: dict[str, int] = field(default_factory=dict)
    trips: int = 0
    closed_at: int = 0
    window: list[list[int]] = field(default_factory=_no_counts)

    def state(self, now: int) -> BreakerState:
        """Where it stands."""
        if not self.until:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self.until > now else BreakerState.HALF_OPEN

    def wait(self, holder: str, now: int, most: int) -> int:
        """How long `holder` may not pass; 0: it may. Half-open, `most` try at once."""
        if not self.until:
            return 0
        if self.until > now:
            return self.until - now
        others = [ends for trial, ends in self.trials.items() if ends > now and trial != holder]
        return min(LOOK_AGAIN_US, min(others) - now) if len(others) >= most else 0

    def admit(self, holder: str, ends: int, now: int) -> bool:
        """Let `holder` pass, as `wait` allowed; tell whether it is a trial, until `ends`."""
        if not self.until:
            return False
        self.trials = {trial: until for trial, until in self.trials.items() if until > now}
        self.trials[holder] = ends
        return True

    def extend(self, holder: str, ends: int) -> None:
        """Let a trial live longer."""
        if holder in self.trials:
            self.trials[holder] = ends

    def forget(self, holder: str) -> None:
        """Let another one try in place of `holder`."""
        self.trials.pop(holder, None)

    def hear(self, holder: str, epoch: int, verdict: Verdict, now: int, limits: Limits) -> bool:
        """Count what a request of `epoch` said; tell whether it must `open` now."""
        trial = self.trials.pop(holder, None) is not None
        if epoch != self.epoch or verdict in _SAYS_NOTHING:
            return False
        bad = verdict in _BAD
        if not self.until:
            return self._count(bad=bad, now=now, limits=limits)
        if trial and not bad:
            self._close(now)
        return trial and bad

    def tally(self, oks: int, now: int, limits: Limits) -> None:
        """Count so many that went well."""
        if not self.until:
            self._tenth(now, limits)[1] += oks

    def open(self, now: int, limits: Limits, chance: float) -> None:
        """Let nothing pass for a while; `chance` (0..1) makes it a fifth shorter to a fifth longer.

        Twice as long as the last time if a trial failed, or if it had closed only a moment ago.
        """
        again = self.until or now - self.closed_at <= _us(limits.window_s)
        self.trips = self.trips + 1 if again else 1
        cap = limits.open_cap_s
        rest = min(cap, limits.open_s * 2 ** min(self.trips - 1, _MOST_DOUBLINGS))
        self.until = now + max(1, _us(min(cap, rest * (0.8 + 0.4 * chance))))
        self._begin()

    def _close(self, now: int) -> None:
        self.until, self.closed_at = 0, now
        self._begin()

    def _begin(self) -> None:
        self.epoch += 1
        self.trials = {}
        self.window = _no_counts()

    def _count(self, *, bad: bool, now: int, limits: Limits) -> bool:
        entry = self._tenth(now, limits)
        entry[1 + bad] += 1
        if not bad:
            return False
        tenth = entry[0]
        known = [counts for counts in self.window if tenth - _TENTHS < counts[0] <= tenth]
        good, failed = sum(counts[1] for counts in known), sum(counts[2] for counts in known)
        return failed >= limits.failures and failed >= limits.ratio * (good + failed)

    def _tenth(self, now: int, limits: Limits) -> list[int]:
        """Return the counts of now: of which tenth of the window, good, bad."""
        tenth = now * _TENTHS // _us(limits.window_s)
        entry = self.window[tenth % _TENTHS]
        if entry[0] != tenth:
            entry[:] = tenth, 0, 0
        return entry


def _us(seconds: float) -> int:
    return round(seconds * 1_000_000)
