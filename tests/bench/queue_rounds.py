"""Queues side by side, in rounds that take turns, so that a slow moment of the machine hits all."""

from __future__ import annotations

import contextlib
import functools
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.bench.queue_children import Child, children, pythons
from tests.bench.table import Row, median, medians, spread

T = TypeVar("T")
Samples = defaultdict[str, list[float]]
#: What no queue gets beyond: the same commits without any queue around them.
BOUNDS = ("sqlite3", "apsw")
PEERS = ("litequeue", "huey", "persist-queue", "localqueue")
ALL = ("ours", *PEERS, *BOUNDS)

there = functools.cache(pythons)


@contextlib.contextmanager
def queues(*names: str, sync: str = "FULL", **options: Any) -> Iterator[dict[str, Child]]:
    """A queue of each kind that is there, in folders that go with the block."""
    with (
        tempfile.TemporaryDirectory(prefix="queue-") as folder,
        children(there(), *names) as started,
    ):
        for name, child in started.items():
            child.open(Path(folder) / name, sync, **options)
        yield started


def in_turns(started: Mapping[str, T], rounds: int, run: Callable[[T], float]) -> Samples:
    """`run` with each of them in every round, each time in another order."""
    took: Samples = defaultdict(list)
    for _ in range(rounds):
        for name in random.sample(list(started), len(started)):
            took[name].append(run(started[name]))
    return took


def rate_row(measure: str, took: Samples, goal: float | None = None, note: str = "") -> Row:
    """How many a second, more is better."""
    others = {name: values for name, values in took.items() if name != "ours"}
    ours = took["ours"]
    told = "; ".join(filter(None, [spread(ours), note]))
    return Row(measure, "1/s", median(ours, 0), medians(others, 0), goal, told, more=True)


def ratio_row(measure: str, took: Samples, over: str, goal: float | None) -> list[Row]:
    """Ours over another one's; nothing when it is not there."""
    if over not in took:
        return []
    each = [mine / its for mine, its in zip(took["ours"], took[over], strict=True)]
    ratio = median(took["ours"]) / median(took[over])
    note = f"of medians; round by round {min(each):.2f} to {max(each):.2f}"
    return [Row(measure, "ratio", round(ratio, 2), {}, goal, note, more=True)]
