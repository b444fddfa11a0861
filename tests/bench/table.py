"""The figures of one run: printed as a table, written to data/bench/."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path("data/bench")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: medians of one run; `peers` measured in the same rounds.

    Less is better, unless `more`.
    """

    measure: str
    unit: str
    ours: float
    peers: dict[str, float] = field(default_factory=dict)
    goal: float | None = None
    note: str = ""
    more: bool = False

    @property
    def met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.ours >= self.goal if self.more else self.ours <= self.goal

    @property
    def line(self) -> str:
        least = ">= " if self.more else ""
        missed = "  MISSED" if self.met is False else ""
        goal = "" if self.goal is None else f"goal {least}{self.goal:g}{missed}"
        peers = ", ".join(f"{name} {value:g}" for name, value in self.peers.items())
        return f"{self.measure:48} {self.ours:>8g} {self.unit:6} {goal:18} {peers}"


#: What a bench measures, each part by the word that asks for it.
Parts = Mapping[str, Callable[[], Sequence[Row]]]


def median(values: Sequence[float], digits: int = 1) -> float:
    return round(statistics.median(values), digits)


def medians(samples: Mapping[str, Sequence[float]], digits: int = 1) -> dict[str, float]:
    return {name: median(values, digits) for name, values in samples.items() if values}


def spread(values: Sequence[float]) -> str:
    """The middle half, for a note: how far one run differs from another."""
    low, _, high = statistics.quantiles(values, n=4)
    return f"middle half {low:.1f} to {high:.1f} of {len(values)}"


def measure(bench: str, parts: Parts, beside: Sequence[str], missing: Sequence[str]) -> None:
    """Print the rows of all parts and publish them; of those that the command names, only print."""
    print(f"beside: {', '.join(beside)}; not there: {', '.join(missing) or 'none'}", flush=True)
    words = sys.argv[1:]
    rows: list[Row] = []
    for name in words or parts:
        began = time.monotonic()
        measured = parts[name]()
        rows += measured
        for row in measured:
            print(row.line, flush=True)
            print(f"{'':4}{row.note}")
        print(f"-- {name}: {time.monotonic() - began:.0f} s", flush=True)
    if not words:
        publish(bench, rows)


def publish(name: str, rows: Sequence[Row]) -> None:
    """Write `data/bench/<name>.json`."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    facts = [asdict(row) | {"met": row.met} for row in rows]
    for fact in facts:
        del fact["more"]
    (FOLDER / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n")
