"""`make bench-start`: how long the commands take that are typed most, over Python's own start.

The runs are interleaved, so that a slow moment of the machine hits all of them; medians are quoted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.bench.meters import timed_ms
from tests.bench.table import Row, medians, publish
from tests.support.orch import a_home

ROUNDS = 11
BARE = [sys.executable, "-c", "pass"]
GOALS_MS = {"orch --help": 300, "orch status": 300}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, a_home(Path(folder) / "home") as orch:
        start = timed_ms(orch.up)
        runs: dict[str, Callable[[], object]] = {
            "bare python": lambda: subprocess.run(BARE, check=True),
            "orch --help": lambda: orch("--help"),
            "orch status": lambda: orch("status"),
            "orch status --json": lambda: orch("status", "--json"),
            "second orch up": lambda: orch("up"),
        }
        took = defaultdict[str, list[float]](list)
        for _ in range(ROUNDS):
            for name, run in runs.items():
                took[name].append(timed_ms(run))
        stop = timed_ms(lambda: orch("down"))
    rows = [Row(name, "ms", ms, goal=GOALS_MS.get(name)) for name, ms in medians(took).items()]
    rows.append(Row("first orch up -d, all ready", "ms", round(start)))
    rows.append(Row("orch down, nothing left", "ms", round(stop)))
    for row in rows:
        print(row.line)
    publish("start", rows)


if __name__ == "__main__":
    main()
