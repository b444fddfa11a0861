"""Slots: how many a second, when a killed holder's one is back, and how even they are shared."""

from __future__ import annotations

import time

from tests.bench.gate_rounds import Team, row, teams
from tests.bench.queue_processes import jain
from tests.bench.queue_rounds import Samples, in_turns, ratio_row
from tests.bench.table import Row

NAMES = ("ours", "redis-py lock")
ROUNDS = 5
SAMPLE_S = 0.4
LEASE_S = 2.0
PROCESSES = 8
LIMIT = 2
HOLD_S = 0.001
CONTEND_S = 10.0


def slots() -> list[Row]:
    """A lock is one slot: it is given one everywhere."""
    with teams(*NAMES, "bare") as started:
        for team in started.values():
            _limit(team, 1, 60)
        rate = in_turns(
            started, ROUNDS, lambda team: team.first.ask("rate", what="pair", seconds=SAMPLE_S)
        )
    with teams(*NAMES, size=2) as started:
        back = in_turns(started, 1, _beyond_lease)
    worst, even, turns = (Samples(list) for _ in range(3))
    with teams(*NAMES, size=PROCESSES) as started:
        for name, team in started.items():
            _limit(team, LIMIT, 60)
            facts = team.together("contend", seconds=CONTEND_S, hold_s=HOLD_S)
            worst[name].append(max(fact["worst_ms"] for fact in facts))
            even[name].append(jain([fact["turns"] for fact in facts]))
            turns[name].append(sum(fact["turns"] for fact in facts) / CONTEND_S)
        alone = started["ours"].alone()
    who = f"{PROCESSES} processes, {LIMIT} slots"
    looks = "; ".join(filter(None, ["redis-py's lock is one slot, and looks every ms", alone]))
    return [
        row("slot, acquire + release a second", "1/s", rate, 5000, more=True),
        *ratio_row("the same, over bare pairs", rate, "bare", 0.7),
        row("killed holder's slot back, after its lease", "s", back, 0.3, f"lease {LEASE_S:g} s"),
        row(f"{who}: worst wait", "ms", worst, 20, looks),
        row(f"{who}: evenness (Jain)", "index", even, 0.99, more=True),
        row(f"{who}: turns a second", "1/s", turns, None, "each holds 1 ms", more=True),
    ]


def _limit(team: Team, limit: int, lease_s: float) -> None:
    team.ask("set", what="slots", limit=limit, lease_s=lease_s)


def _beyond_lease(team: Team) -> float:
    """kill -9 who holds the slot: how long after a whole lease the next one has it; less than 0: sooner."""
    _limit(team, 1, LEASE_S)
    holder, waiter = team.members
    assert holder.ask("take", within=1)
    waiter.tell("take", within=5 * LEASE_S)
    time.sleep(LEASE_S)  # it is kept that long
    holder.kill()
    killed_at = time.monotonic()
    had_at = waiter.hear()
    return float(had_at - killed_at - LEASE_S) if had_at else float("inf")
