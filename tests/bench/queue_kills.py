"""kill -9 of workers at any moment: what becomes of the jobs."""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.bench.queue_children import Child, children
from tests.bench.queue_rounds import PEERS, there
from tests.bench.table import Row

KILLS = 50
JOBS = 6000
#: A lease of those that have leases, and after how long others take back what is locked.
LEASE_S = 1.0
#: A worker lives for so long, from its first job on.
LIFE_S = (0.005, 0.1)
STALE = 50
#: Bytes that the workers write for a few jobs.
AT_WORK = 500
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Fate:
    """`lost`: never done, and the queue knows nothing of it; `stuck`: never done, and still in there.

    `twice`: done twice after all; `acked_twice`: though the first one was told that its ack was taken.
    `stale`: so many acks were taken from a holder whose job had another one by then; None: there are no
    leases that could run out.
    """

    lost: int
    stuck: int
    twice: int
    acked_twice: int
    stale: int | None


def kills() -> list[Row]:
    """Two workers, one of which is killed and replaced, again and again; then the rest is worked off."""
    fates = {name: _fate(name) for name in ("ours", *PEERS) if name in there()}

    def row(measure: str, field: str, goal: float | None, note: str = "") -> Row:
        counts = {name: getattr(fate, field) for name, fate in fates.items()}
        others = {name: float(count) for name, count in counts.items() if count is not None}
        return Row(measure, "jobs", others.pop("ours"), others, goal, note)

    how = f"{JOBS} jobs, two workers (persist-queue: one, it is made for one process)"
    return [
        row(f"kill -9 x {KILLS}: lost", "lost", 0, how),
        row(f"kill -9 x {KILLS}: stuck", "stuck", 0, "others take back by hand where they can"),
        row(f"kill -9 x {KILLS}: done twice", "twice", None, "killed between the end and the ack"),
        row(f"kill -9 x {KILLS}: done twice, though acked", "acked_twice", 0),
        row(
            f"stale acks taken, of {STALE}",
            "stale",
            0,
            "the lease ran out, another one has the job",
        ),
    ]


def _fate(name: str) -> Fate:
    with tempfile.TemporaryDirectory(prefix="queue-") as folder:
        queue, log = Path(folder) / "q", Path(folder) / "log"
        with children(there(), name) as started:
            keeper = started[name].open(queue, lease_s=LEASE_S)
            alone = "processes" not in keeper.can
            keeper.ask("fill", ready=JOBS)
            if alone:
                keeper.ask("close")
            _kill_often(name, queue, log, None if alone else keeper)
            _work_off(name, queue, log, None if alone else keeper)
        with children(there(), name) as started:
            after = started[name].open(queue, lease_s=LEASE_S)
            left = after.ask("left")
            after.ask("fill", ready=STALE)
            stale = after.ask("stale", jobs=STALE) if "leases" in after.can else None
        return _judged(log, left, stale)


def _kill_often(name: str, queue: Path, log: Path, keeper: Child | None) -> None:
    team = [_worker(name, queue, log) for _ in range(2 if keeper else 1)]
    for _ in range(KILLS):
        one = random.randrange(len(team))
        _wait_for_work(log)
        time.sleep(random.uniform(*LIFE_S))
        team[one].kill()
        if keeper:
            keeper.ask("recover")
        team[one] = _worker(name, queue, log)
    for child in team:
        child.kill()


def _work_off(name: str, queue: Path, log: Path, keeper: Child | None) -> None:
    last = _worker(name, queue, log, until_empty=True)
    try:
        if keeper:
            time.sleep(LEASE_S + 0.1)
            keeper.ask("recover")
        last.hear()
    finally:
        last.kill()


def _worker(name: str, queue: Path, log: Path, *, until_empty: bool = False) -> Child:
    child = Child(name, there()[name][0]).open(queue, lease_s=LEASE_S)
    child.tell("serve", log=str(log), until_empty=until_empty)
    return child


def _wait_for_work(log: Path) -> None:
    goes_on, deadline = _written(log) + AT_WORK, time.monotonic() + PATIENCE_S
    while _written(log) < goes_on:
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody works any more: {log.read_text()[-200:]}")
        time.sleep(0.002)


def _written(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _judged(log: Path, left: int, stale: int | None) -> Fate:
    done, acked, again = Counter[str](), set[str](), set[str]()
    for line in log.read_text().splitlines():
        what, job, _ = line.split()
        if what == "done":
            again |= {job} & acked
            done[job] += 1
        elif what == "acked":
            acked.add(job)
    never = JOBS - len(done)
    return Fate(
        lost=max(0, never - left),
        stuck=min(never, left),
        twice=sum(1 for times in done.values() if times > 1),
        acked_twice=len(again),
        stale=stale,
    )
