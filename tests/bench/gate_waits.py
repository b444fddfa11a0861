"""Waiting for a turn: how exactly it comes, how even it is, how much of the rate is used."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from tests.bench.gate_rounds import INEXACT, RATE, Team, row, teams
from tests.bench.queue_processes import jain
from tests.bench.queue_rounds import Samples
from tests.bench.table import Row

PROCESSES = 4
ROUNDS = 2
ALLOWED = 20
SAMPLE_S = 5.0


def waits() -> list[Row]:
    """Each library as it waits by itself; one without a wait asks every 5 ms."""
    late, grid, even, used = (Samples(list) for _ in range(4))
    with teams(*RATE, *INEXACT, size=PROCESSES) as started:
        for _ in range(ROUNDS):
            for name, team in started.items():
                facts = _wait(team)
                turns = [len(fact["at"]) for fact in facts]
                grid[name].append(p99(_off_grid(facts)))
                even[name].append(jain(turns))
                used[name].append(100 * sum(turns) / (ALLOWED * SAMPLE_S))
                late[name] += _off_promise(facts)
        alone = started["ours"].alone()
    what = f"blocking wait at {ALLOWED}/s"
    return [
        row(f"{what}: off what was booked, p99", "ms", late, 2, alone or "others promise nothing"),
        row(f"{what}: off an even grid, p99", "ms", grid, None, "from its first turn to its last"),
        row(f"{what}: evenness (Jain)", "index", even, 0.99, "of 4 processes", more=True),
        row(f"{what}: share of the rate used", "%", used, 99, more=True),
    ]


def _wait(team: Team) -> list[dict[str, Any]]:
    team.clear()
    team.ask("set", what="limit", rate=ALLOWED)
    return team.together("admitted", seconds=SAMPLE_S)


def _off_promise(facts: Sequence[dict[str, Any]]) -> list[float]:
    off = [abs(ms) for fact in facts for ms in fact["off_ms"] if ms]
    return [p99(off)] if off else []


def _off_grid(facts: Sequence[dict[str, Any]]) -> list[float]:
    """How far each is off the grid of its own pace, in ms."""
    at = sorted(moment for fact in facts for moment in fact["at"])
    if len(at) < 2:
        return [0.0]
    step = (at[-1] - at[0]) / (len(at) - 1)
    return [1000 * abs(moment - at[0] - nth * step) for nth, moment in enumerate(at)]


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[-1] if len(values) > 1 else 0.0
