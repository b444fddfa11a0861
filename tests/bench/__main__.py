"""`make bench`: how long the commands take that are typed most, over Python's own start.

The runs are interleaved, so that a slow moment of the machine hits all of them; medians are quoted.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.orch import a_home

ROUNDS = 11
BARE = [sys.executable, "-c", "pass"]


def timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, a_home(Path(folder) / "home") as orch:
        start = timed(orch.up)
        runs: dict[str, Callable[[], object]] = {
            "bare python": lambda: subprocess.run(BARE, check=True),
            "orch --help": lambda: orch("--help"),
            "orch status": lambda: orch("status"),
            "orch status --json": lambda: orch("status", "--json"),
            "second orch up": lambda: orch("up"),
        }
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, run in runs.items():
                seconds[name].append(timed(run))
        stop = timed(lambda: orch("down"))
    rows = [
        {"measure": name, "unit": "ms", "ours": round(1000 * statistics.median(values), 1)}
        for name, values in seconds.items()
    ]
    rows.append(
        {"measure": "first orch up -d, all ready", "unit": "ms", "ours": round(1000 * start)}
    )
    rows.append({"measure": "orch down, nothing left", "unit": "ms", "ours": round(1000 * stop)})
    goals = {"orch --help": 300, "orch status": 300}
    for row in rows:
        goal = goals.get(str(row["measure"]))
        met = float(str(row["ours"])) <= goal if goal else None
        row |= {"peers": {}, "goal": goal, "met": met, "note": ""}
        print(f"{row['measure']:32} {row['ours']:>8} ms   {f'goal {goal}' if goal else ''}")
    target = Path("data/bench/start.json")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
