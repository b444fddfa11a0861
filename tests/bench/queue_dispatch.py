"""An idle runner: how soon it begins what another process adds, and what its waiting costs."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import meters
from tests.bench.queue_children import Child, children
from tests.bench.queue_rounds import queues, there
from tests.bench.table import Row, median, medians, spread
from tests.support.redis_server import RedisServer

IDLE_S = 20.0
JOBS = 80
#: The pauses between jobs: longer than a runner is busy with one.
PAUSE_S = (0.05, 0.25)
SETTLED_S = 2.0
#: Empty jobs, for what a runner does in all.
MANY = 20_000
GOAL_MS = 50
#: Others that come with a consumer, or a call that waits for what other processes add.
WAITING = ("huey", "localqueue")


def dispatch() -> list[Row]:
    """From the call that adds a job until its pipeline runs, in a file and on a Redis."""
    others = {name: _waiting(name) for name in WAITING if name in there()}
    with queues("ours") as started, tempfile.TemporaryDirectory(prefix="queue-") as folder:
        child = started["ours"]
        rows = _measured(child, str(child.folder / "queue.sqlite"), "", others)
        with RedisServer(Path(folder)) as server, queues("redis", url=server.url) as remote:
            rows += _measured(remote["redis"], server.url, ", Redis", {})
    return rows


def _waiting(name: str) -> list[float]:
    """The same with another queue, whose own consumer waits in a process of its own."""
    with queues(name) as senders, children(there(), name) as takers:
        folder = senders[name].folder
        takers[name].open(folder).tell("consume", log=str(folder / "log"))
        time.sleep(SETTLED_S)
        senders[name].ask("put_stamped", times=JOBS, least=PAUSE_S[0], most=PAUSE_S[1])
        time.sleep(SETTLED_S)
        return [float(line) for line in (folder / "log").read_text().split()]


def _measured(child: Child, target: str, where: str, others: dict[str, list[float]]) -> list[Row]:
    with _runner(target) as runner:
        time.sleep(SETTLED_S)
        cpu, woken = meters.cpu_ms(runner.pid), _wakeups(runner.pid)
        time.sleep(IDLE_S)
        cpu = (meters.cpu_ms(runner.pid) - cpu) * 60 / IDLE_S
        woken_hz = (_wakeups(runner.pid) - woken) / IDLE_S
        child.ask("put_stamped", times=JOBS, least=PAUSE_S[0], most=PAUSE_S[1])
        took = [float(_line(runner)) for _ in range(JOBS)]
        began = time.monotonic()
        child.ask("fill", ready=MANY)
        rate = _worked_off(child, began)
    half, most = medians(others, 2), {name: _p95(values) for name, values in others.items()}
    return [
        Row(f"added to running, idle{where}, p50", "ms", median(took, 2), half, note=spread(took)),
        Row(f"added to running, idle{where}, p95", "ms", _p95(took), most, GOAL_MS),
        Row(f"idle runner{where}, processor time", "ms/min", round(cpu, 1)),
        Row(f"idle runner{where}, wake-ups of all its threads", "1/s", round(woken_hz, 1)),
        Row(f"empty jobs through a runner{where}", "1/s", rate, note="8 threads, added beside it"),
    ]


def _p95(values: list[float]) -> float:
    return round(statistics.quantiles(values, n=20)[-1], 2)


def _worked_off(child: Child, began: float) -> float:
    while child.ask("left"):
        time.sleep(0.02)
    return round(MANY / (time.monotonic() - began))


@contextlib.contextmanager
def _runner(target: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.bench.queue_runner", target]
    runner = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert runner.stdin
    try:
        if _line(runner) != "ready":
            raise ChildProcessError("the runner did not start")
        yield runner
        runner.stdin.close()
        runner.wait(30)
    finally:
        runner.kill()
        runner.wait()


def _line(runner: subprocess.Popen[str]) -> str:
    assert runner.stdout
    return runner.stdout.readline().strip()


def _wakeups(pid: int) -> int:
    """How often any thread has gone to sleep so far."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        (line,) = (one for one in status.read_text().splitlines() if one.startswith("voluntary_"))
        total += int(line.split()[1])
    return total
