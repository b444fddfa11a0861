"""Hung or busy: a table of what was answered and what the process did meanwhile."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from orchestrator.supervise.health import Activity, Silence, Verdict, judge
from orchestrator.supervise.probes.result import ProbeResult, could_not_ask
from orchestrator.supervise.service import ProbeSpec

SPEC = ProbeSpec("redis", "unix:///r")
SILENT = ProbeResult(ok=False, error="no answer")
IDLE, BURNS = Activity(cpu_s=5.0), Activity(cpu_s=6.0)
#: On a machine whose processors others use.
STARVED = Activity(cpu_s=5.0, runnable=True)
SUSPENDED = Activity(cpu_s=5.0, suspended=True)


def after(misses: int, since: float = 98.0, was: Activity = IDLE) -> Silence:
    """So many questions without an answer, the last one a second ago, at 5 s of processor time."""
    return Silence(since, misses, 99.0, was)


@pytest.mark.parametrize(
    ("result", "silence", "activity", "verdict"),
    [
        (ProbeResult(ok=True), after(2), IDLE, Verdict.FINE),
        (ProbeResult(ok=False, alive=True, error="full"), after(2), IDLE, Verdict.UNHEALTHY),
        (ProbeResult(ok=False, unasked=True), after(2), IDLE, Verdict.UNCERTAIN),
        (SILENT, None, IDLE, Verdict.UNCERTAIN),
        (SILENT, after(1), IDLE, Verdict.UNCERTAIN),
        (SILENT, after(2), IDLE, Verdict.HUNG),
        (SILENT, after(1), SUSPENDED, Verdict.HUNG),
        (SILENT, None, SUSPENDED, Verdict.UNCERTAIN),
        (SILENT, after(2), BURNS, Verdict.UNHEALTHY),
        (SILENT, after(2), Activity(cpu_s=5.1), Verdict.HUNG),
        (SILENT, after(2), Activity(cpu_s=5.0, disk_wait=True), Verdict.UNHEALTHY),
        (SILENT, after(2), STARVED, Verdict.HUNG),  # it was not, a moment ago: by chance
        (SILENT, after(2, was=STARVED), STARVED, Verdict.UNHEALTHY),
        (SILENT, after(59, since=41.0), BURNS, Verdict.UNHEALTHY),
        (SILENT, after(60, since=39.0), BURNS, Verdict.HUNG),
    ],
)
def test_who_does_not_answer_is_hung_unless_he_is_at_work(
    result: ProbeResult, silence: Silence | None, activity: Activity, verdict: Verdict
) -> None:
    assert judge(result, silence, activity, 100.0, SPEC)[0] is verdict


def test_an_answer_ends_the_silence_and_a_miss_lengthens_it() -> None:
    assert judge(ProbeResult(ok=True), after(2), IDLE, 100.0, SPEC)[1] is None
    longer = judge(SILENT, after(1, since=90.0), BURNS, 100.0, SPEC)[1]
    assert longer == Silence(90.0, 2, 100.0, BURNS)


def test_what_could_not_be_asked_says_nothing() -> None:
    lack = could_not_ask(OSError(errno.EMFILE, "Too many open files"), absent=True)
    assert (lack.unasked, lack.absent) == (True, False)
    assert judge(lack, after(1), IDLE, 100.0, SPEC) == (Verdict.UNCERTAIN, after(1))
    assert could_not_ask(OSError("AF_UNIX path too long"), absent=True).absent


def test_the_kernel_tells_what_a_process_uses() -> None:
    before = Activity.of(os.getpid()).cpu_s
    sum(range(3_000_000))

    assert Activity.of(os.getpid()).cpu_s > before
    assert Activity.of(2**22 + 1) == Activity()


def test_who_computes_could_run_at_every_look_whatever_others_use() -> None:
    words = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as loop:
        assert loop.stdout
        loop.stdout.readline()
        looks = [Activity.of(loop.pid).runnable for _ in range(20)]
        loop.kill()

    assert all(looks)
