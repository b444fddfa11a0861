"""The figures of one run: printed as a table, written to data/bench/."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path("data/bench")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: medians of one run; `peers` measured in the same rounds. Less is better."""

    measure: str
    unit: str
    ours: float
    peers: dict[str, float] = field(default_factory=dict)
    goal: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        return None if self.goal is None else self.ours <= self.goal

    @property
    def line(self) -> str:
        goal = "" if self.goal is None else f"goal {self.goal:g}{'' if self.met else '  MISSED'}"
        peers = ", ".join(f"{name} {value:g}" for name, value in self.peers.items())
        return f"{self.measure:48} {self.ours:>8g} {self.unit:6} {goal:18} {peers}"


def median(values: Sequence[float], digits: int = 1) -> float:
    return round(statistics.median(values), digits)


def medians(samples: Mapping[str, Sequence[float]], digits: int = 1) -> dict[str, float]:
    return {name: median(values, digits) for name, values in samples.items() if values}


def spread(values: Sequence[float]) -> str:
    """The middle half, for a note: how far one run differs from another."""
    low, _, high = statistics.quantiles(values, n=4)
    return f"middle half {low:.1f} to {high:.1f} of {len(values)}"


def publish(name: str, rows: Sequence[Row]) -> None:
    """Write `data/bench/<name>.json`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    facts = [asdict(row) | {"met": row.met} for row in rows]
    (FOLDER / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
