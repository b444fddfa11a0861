"""Several processes at one queue: how much they do together, how long one waits, how even it is."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.bench.queue_children import Child, children
from tests.bench.queue_rounds import ALL, Samples, there
from tests.bench.table import Row, median, medians

PROCESSES = 4
ROUNDS = 5
SAMPLE_S = 2.0
BACKLOG = 30_000


def processes() -> list[Row]:
    """Lease and ack, four processes at the same queue."""
    rates, worst, even = (Samples(list) for _ in range(3))
    notes = defaultdict[str, list[str]](list)
    with contextlib.ExitStack() as stack:
        teams = {}
        for name in (name for name in ALL if name in there()):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="queue-"))
            teams[name] = [
                stack.enter_context(children(there(), name))[name].open(Path(folder) / "q")
                for _ in range(PROCESSES)
            ]
        for _ in range(ROUNDS):
            for name, team in teams.items():
                facts = _together(team)
                counts = [fact["jobs"] for fact in facts]
                rates[name].append(sum(counts) / max(fact["seconds"] for fact in facts))
                worst[name].append(max(fact["worst_ms"] for fact in facts))
                even[name].append(jain(counts))
                notes[name] += _troubles(facts)
    told = "; ".join(
        f"{name}: {', '.join(sorted(set(said)))}" for name, said in notes.items() if said
    )
    return [
        _row("lease + ack, 4 processes, FULL", "1/s", rates, None, told, more=True),
        _row("worst single turn of 4 processes", "ms", worst, 100, "ack one, take the next"),
        _row("evenness between 4 processes (Jain)", "index", even, 0.95, more=True),
    ]


def _together(team: Sequence[Child]) -> list[dict[str, float]]:
    team[0].ask("fill", ready=BACKLOG)
    start_at = time.monotonic() + 0.05
    for child in team:
        child.tell("turns", seconds=SAMPLE_S, batch=1, start_at=start_at)
    facts = [child.hear() for child in team]
    team[0].ask("took", jobs=sum(fact["jobs"] for fact in facts[1:]))
    return facts


def _troubles(facts: Sequence[dict[str, float]]) -> list[str]:
    failed = sum(fact["failed"] for fact in facts)
    ids = Counter(one for fact in facts for one in fact["ids"])  # type: ignore[attr-defined]
    twice = sum(1 for times in ids.values() if times > 1)
    said = [f"{failed:g} calls failed, the file was locked"] if failed else []
    return said + ([f"{twice} jobs taken by two"] if twice else [])


def jain(counts: Sequence[float]) -> float:
    """(Σx)² / n Σx²: 1 is even, 1/n is all to one (Jain, Chiu, Hawe, 1984)."""
    squares = sum(count * count for count in counts)
    return sum(counts) ** 2 / (len(counts) * squares) if squares else 0.0


def _row(
    measure: str,
    unit: str,
    took: Samples,
    goal: float | None,
    note: str = "",
    *,
    more: bool = False,
) -> Row:
    digits = {"1/s": 0, "ms": 1, "index": 3}[unit]
    mine = took.pop("ours")
    told = f"{min(mine):.3g} to {max(mine):.3g}" + (f"; {note}" if note else "")
    return Row(measure, unit, median(mine, digits), medians(took, digits), goal, told, more=more)
