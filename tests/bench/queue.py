"""`make bench-queue`: our work queue beside others in a file, in rounds that take turns.

Others are looked for in the Pythons of the folders of `$BENCH_PATH` (litequeue, huey, persist-queue,
localqueue; apsw as a bound). `python -m tests.bench.queue PART…` does only these parts, and writes nothing.

All are given the same: text of 200 bytes, WAL, the same `synchronous`. Ours and the bounds take an id that
makes a job idempotent, or nothing at all; others are spared it.
"""

from __future__ import annotations

from tests.bench.queue_backlog import backlog
from tests.bench.queue_dispatch import dispatch
from tests.bench.queue_kills import kills
from tests.bench.queue_processes import processes
from tests.bench.queue_rates import batches, cycle, enqueue, redis
from tests.bench.queue_rounds import ALL, there
from tests.bench.table import Parts, measure

PARTS: Parts = {
    "enqueue": enqueue,
    "batches": batches,
    "cycle": cycle,
    "backlog": backlog,
    "processes": processes,
    "kills": kills,
    "dispatch": dispatch,
    "redis": redis,
}


if __name__ == "__main__":
    others = [name for name in ALL if name != "ours"]
    measure(
        "queue",
        PARTS,
        beside=[f"{name} {there()[name][1]}".strip() for name in others if name in there()],
        missing=[name for name in others if name not in there()],
    )
