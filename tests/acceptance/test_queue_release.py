"""`orch queue release`: what a runner that died held goes to others at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from orchestrator.core.errors import LeaseLost
from tests.support.orch import Orch, eventually
from tests.support.queue_home import QueueHome

#: Longer than any test, as by default.
LEASE = "[queue]\nlease_ttl_seconds = 600\nmax_job_attempts = 2\n"


@pytest.fixture
def home(tmp_path: Path) -> QueueHome:
    return QueueHome(Orch(tmp_path / "home", LEASE))


def test_what_a_killed_runner_held_is_done_by_the_next_one(either: QueueHome) -> None:
    """Without it, that took ten minutes."""
    for name in "abc":
        either.fine("enqueue", name)
    marks = either.orch.home / "marks"
    stands = f"{sys.executable} -c \"open('marks', 'a').write('x'); import time; time.sleep(600)\""
    runner = either.popen("run", "--exec", stands, "--workers", "2")
    eventually(lambda: marks.exists() and marks.read_text() == "xx")
    (name,) = {row["worker"] for row in either.json("list", "--state", "in_progress")}
    assert name == f"{socket.gethostname()}.{runner.pid}"
    refused = either("release", "--worker", name)
    assert refused.returncode == 75
    assert f"{name} still runs: process {runner.pid} (" in refused.stderr
    assert "--force" in refused.stderr
    held = either.json("stats")["in_progress"]
    assert held >= 2
    assert f"{name} still runs" in either("release", "--worker", name, "--dry-run").stderr

    runner.send_signal(signal.SIGKILL)
    runner.wait()

    would = either("release", "--worker", name, "--dry-run")
    assert would.stderr == ""
    assert would.stdout.splitlines()[0] == f"{held} jobs would be released"
    assert either.json("stats")["in_progress"] == held
    assert either.fine("release", "--worker", name) == f"released {held} jobs\n"
    assert either.states() == {"queued": 3}
    assert "lease ran out" in either.json("show", "a")["history"][0]["error"]
    either.fine("run", "--drain", "--exec", "true")
    assert either.states() == {"done": 3}
    assert either.json("show", "a")["attempts"] == 2


def test_a_job_is_released_by_its_id_and_the_word_of_its_holder_is_refused(
    either: QueueHome,
) -> None:
    with either.opened() as queue:
        for name in "abc":
            queue.enqueue(name, key="k")
        first, second = queue.lease(2, "elsewhere.17")
        done = either("release", first.id, "c", "cc", first.id)
        assert (done.returncode, done.stdout) == (1, "released 1 job\n")
        assert "c: is not in progress (queued)" in done.stderr
        assert "no job 'cc'" in done.stderr
        with pytest.raises(LeaseLost):
            queue.ack(first.token)
        queue.ack(second.token)
        assert either.states() == {"queued": 2, "done": 1}
        last = [lease for lease in queue.lease(9, "elsewhere.17") if lease.id == first.id]
        assert [lease.attempt for lease in last] == [2]
        told = json.loads(either.fine("release", first.id, "--json"))
        assert told == {"ids": [first.id], "dry_run": False}
        assert either.json("show", first.id)["reason"] == "lease ran out 2 times"
        assert either.json("show", first.id)["state"] == "error"


def test_a_worker_that_holds_nothing_is_told_with_those_that_do(either: QueueHome) -> None:
    with either.opened() as queue:
        queue.enqueue("a")
        done = either("release", "--worker", "w")
        assert done.returncode == 1
        assert "'w' holds no job" in done.stderr
        assert "nobody does" in done.stderr
        queue.lease(1, "elsewhere.17")
        assert "those do: elsewhere.17 (1 job)" in either("release", "--worker", "w").stderr


def test_what_a_running_process_holds_is_released_by_force(either: QueueHome) -> None:
    with either.opened() as queue:
        queue.enqueue("a")
        (lease,) = queue.lease(1, f"{socket.gethostname()}.{os.getpid()}")
        assert either("release", "a").returncode == 75
        queue.heartbeat([lease.token])
        done = either("release", "a", "--force")
        assert (done.returncode, done.stdout) == (0, "released 1 job\n")
        assert "still runs" in done.stderr
        assert queue.heartbeat([lease.token]) == [lease.token]


def test_many_leases_are_released_in_one_go(either: QueueHome) -> None:
    with either.opened() as queue:
        for name in range(700):
            queue.enqueue(str(name))
        assert len(queue.lease(700, "elsewhere.17")) == 700
    assert either.fine("release", "--worker", "elsewhere.17") == "released 700 jobs\n"
    assert either.states() == {"queued": 700}
