"""Hung or merely busy? A decision from what a service answered and what its process does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from orchestrator.supervise.ownership import process_stat, session

if TYPE_CHECKING:
    from orchestrator.supervise.probes.result import ProbeResult
    from orchestrator.supervise.service import ProbeSpec

#: Who uses at least this share of a processor is at work.
BUSY_SHARE = 0.2
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Verdict(Enum):
    """What is to be thought of a service."""

    FINE = "fine"
    UNCERTAIN = "uncertain"  #: it did not answer, not often enough to mean anything
    UNHEALTHY = "unhealthy"  #: alive, and not as it should be
    HUNG = "hung"  #: nothing but a new start helps


@dataclass(frozen=True, slots=True)
class Activity:
    """What a process did up to now; all zero when nobody knows (another machine, macOS)."""

    cpu_s: float = 0.0
    runnable: bool = False  #: it has a processor, or would if others did not use them all
    disk_wait: bool = False
    suspended: bool = False

    @classmethod
    def of(cls, pid: int, *, with_children: bool = False) -> Activity:
        """Read it from the kernel; `with_children`: what the whole session uses and waits for."""
        main = process_stat(pid)
        if main is None:
            return cls()
        others = [process_stat(other) for other in session(pid)] if with_children else []
        stats = [main, *(other for other in others if other)]
        ticks = sum(found.cpu_ticks for found in stats)
        states = {found.state for found in stats}
        return cls(ticks / _TICKS_A_SECOND, "R" in states, "D" in states, main.state in "Tt")


@dataclass(frozen=True, slots=True)
class Silence:
    """How long, and how often in a row, there was no answer; what its process had done by then."""

    since: float
    misses: int
    at: float
    activity: Activity


def judge(
    result: ProbeResult,
    silence: Silence | None,
    activity: Activity,
    now: float,
    spec: ProbeSpec,
) -> tuple[Verdict, Silence | None]:
    """Decide on one more answer (or none); return the silence to remember.

    A suspended process is hung one miss earlier: it burns nothing and will not answer. One that uses
    a processor, or waits for one or for the disk, is unhealthy for `spec.busy_s` before it is hung.
    """
    if result.ok or result.alive:
        return Verdict.FINE if result.ok else Verdict.UNHEALTHY, None
    if result.unasked:
        return Verdict.UNCERTAIN, silence
    return _judge_a_miss(silence, activity, now, spec)


def _judge_a_miss(
    silence: Silence | None, activity: Activity, now: float, spec: ProbeSpec
) -> tuple[Verdict, Silence | None]:
    since = silence.since if silence else now - spec.timeout_s
    misses = silence.misses + 1 if silence else 1
    heard = Silence(since, misses, now, activity)
    if misses < max(1, spec.threshold - activity.suspended):
        return Verdict.UNCERTAIN, heard
    at_work = silence is not None and _is_busy(silence, activity, now)
    if at_work and not activity.suspended and now - since < spec.busy_s:
        # What was asked meanwhile it may still answer: the misses count anew.
        return Verdict.UNHEALTHY, Silence(since, 0, now, activity)
    return Verdict.HUNG, heard


def _is_busy(before: Silence, activity: Activity, now: float) -> bool:
    spent = activity.cpu_s - before.activity.cpu_s
    wanted = before.activity.runnable and activity.runnable
    return wanted or activity.disk_wait or spent >= BUSY_SHARE * max(now - before.at, 0.001)
