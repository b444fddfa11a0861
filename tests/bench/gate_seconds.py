"""How many are let pass within any one second, seen from outside, whatever happens meanwhile."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.resp import Connection
from tests.bench.gate_rounds import INEXACT, RATE, Team, row, teams
from tests.bench.queue_rounds import Samples
from tests.bench.table import Row
from tests.support import wall_clock
from tests.support.wall_clock import WallClock

PROCESSES = 4
#: Requests a second, for so long; what is done to Redis is done in the middle.
ALLOWED = 50
SAMPLE_S = 5.0
SKEW_S = 60
#: The limit and no burst, and one more that came a little late.
GOAL = ALLOWED + 1

SHIM = Path(wall_clock.__file__).parent / "clock_shim"


def seconds() -> list[Row]:
    """The worst second of each library, one after the other: beside others they would come late."""
    what = f"worst second at {ALLOWED}/s"
    with tempfile.TemporaryDirectory(prefix="skew-") as folder:
        skewed = _skewed(Path(folder))
        rows = [_worst(what)]
        if skewed:
            rows.append(_worst(f"{what}, clocks {2 * SKEW_S} s apart", environments=skewed))
            wall_clock.sweep()
        else:
            print("clocks apart: libfaketime is not there", flush=True)
    return [
        *rows,
        _worst(f"{what}, SCRIPT FLUSH meanwhile", _forget_scripts),
        _worst(f"{what}, kill -9 of Redis meanwhile", _restart),
    ]


def _worst(
    what: str,
    disturb: Callable[[Team], None] = lambda _: None,
    environments: Sequence[Mapping[str, str]] = ({},),
) -> Row:
    worst, notes = Samples(list), list[str]()
    with teams(*RATE, *INEXACT, size=PROCESSES, environments=environments) as started:
        for name, team in started.items():
            team.ask("set", what="limit", rate=ALLOWED)
            start_at = time.monotonic() + 0.5
            team.tell("admitted", seconds=SAMPLE_S, start_at=start_at)
            time.sleep(start_at + SAMPLE_S / 2 - time.monotonic())
            disturb(team)
            facts = team.hear()
            at = _moments(facts, "at")
            worst[name].append(float(worst_second(at)))
            notes.append(f"{name} {len(at)}{_told(facts)}")
    return row(what, "count", worst, GOAL, f"let pass in {SAMPLE_S:g} s: {', '.join(notes)}")


def worst_second(at: Sequence[float]) -> int:
    """The most of these moments, in order, that lie within one second."""
    most = first = 0
    for nth, moment in enumerate(at):
        while moment - at[first] >= 1:
            first += 1
        most = max(most, nth - first + 1)
    return most


def _moments(facts: Sequence[dict[str, Any]], what: str) -> list[float]:
    return sorted(moment for fact in facts for moment in fact[what])


def _told(facts: Sequence[dict[str, Any]]) -> str:
    due, failed = _moments(facts, "due"), sum(fact["failed"] for fact in facts)
    booked = f", booked at most {worst_second(due)}" if any(due) else ""
    return booked + (f" and {failed} calls failed" if failed else "")


def _forget_scripts(team: Team) -> None:
    with Connection(team.server.url) as connection:
        connection.call("SCRIPT", "FLUSH")


def _restart(team: Team) -> None:
    team.server.kill()
    team.server.start()


def _skewed(folder: Path) -> list[dict[str, str]]:
    """Environments whose wall clocks are a minute early and a minute late; none without libfaketime."""
    found = []
    for offset in (SKEW_S, -SKEW_S):
        try:
            clock = WallClock(folder / f"{offset}")
        except AssertionError:
            return []
        clock.jump(f"{offset:+}")
        found.append(clock.environment | {"PYTHONPATH": f"{SHIM}:{SHIM.parents[2]}"})
    return found
