"""What a long backlog costs: the same turns, and counting, in front of 1k, 100k and 1M jobs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.bench.queue_children import Child
from tests.bench.queue_rounds import Samples, in_turns, queues
from tests.bench.table import Row, median, medians, spread

SIZES = {"1k": 1000, "100k": 100_000, "1M": 1_000_000}
#: So many have ended, and so many are in flight, beside every backlog.
DONE, TAKEN = 100_000, 10_000
#: Others take minutes to be filled with more.
MOST_OF_OTHERS = 100_000
#: A sample takes so many of 1k, so that it stays 1k.
SAMPLE = 800
SAMPLE_S = 0.4
ROUNDS = 11
WITH = ("ours", "litequeue", "huey", "persist-queue", "localqueue", "sqlite3")


def backlog() -> list[Row]:
    """Lease and ack at each backlog, and what `stats` costs."""
    with _filled() as grown:
        one = in_turns(grown, ROUNDS, lambda child: _turns(child, 1))
        own = {name: child for name, child in grown.items() if "turn many" in child.can}
        many = in_turns(own, ROUNDS, lambda child: _turns(child, 50))
        counted = {name: child for name, child in grown.items() if name.startswith("ours")}
        stats = in_turns(counted, ROUNDS, lambda child: child.ask("stats", times=20))
    note = f"beside {DONE} jobs that ended and {TAKEN} in flight"
    rows = [
        *_rows("lease + ack of 1, FULL", one, note),
        *_rows("lease + ack of 50, FULL", many, note),
    ]
    for size in SIZES:
        took = stats[f"ours {size}"]
        note = f"{min(took):.3f} to {max(took):.3f}"
        rows.append(Row(f"stats(), {size} waiting", "ms", median(took, 3), note=note))
    return rows


@contextlib.contextmanager
def _filled() -> Iterator[dict[str, Child]]:
    """`engine size` -> a queue with that backlog."""
    with contextlib.ExitStack() as stack:
        grown = {}
        for size, jobs in SIZES.items():
            names = [name for name in WITH if name == "ours" or jobs <= MOST_OF_OTHERS]
            for name, child in stack.enter_context(queues(*names)).items():
                child.ask("fill", ready=jobs, done=DONE, taken=TAKEN)
                grown[f"{name} {size}"] = child
        yield grown


def _turns(child: Child, batch: int) -> float:
    done = child.ask("turns", seconds=SAMPLE_S, batch=batch, most=SAMPLE)
    child.ask("put_back", jobs=done["jobs"])
    return float(done["jobs"] / done["seconds"])


def _rows(measure: str, took: Samples, note: str) -> list[Row]:
    rows = []
    for size in SIZES:
        here = {name.split()[0]: took[name] for name in took if name.endswith(f" {size}")}
        mine = here.pop("ours")
        told = f"{spread(mine)}; {note}"
        row = Row(f"{measure}, {size} waiting", "1/s", median(mine, 0), medians(here, 0), note=told)
        rows.append(row)
    for size in list(SIZES)[1:]:
        share = {
            name.split()[0]: round(median(took[name]) / median(took[f"{name.split()[0]} 1k"]), 2)
            for name in took
            if name.endswith(f" {size}")
        }
        mine_share = share.pop("ours")
        what = f"{measure}: rate at {size} / at 1k"
        rows.append(Row(what, "ratio", mine_share, share, 0.8, more=True))
    return rows
