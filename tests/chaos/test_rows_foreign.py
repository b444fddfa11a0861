"""What is not provably ours: a healthy Redis is used, everything is left alone, a stranger is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.redis import connect
from orchestrator.supervise.ownership import identify
from tests.support.orch import Orch, a_home, alive, eventually
from tests.support.redis_server import RedisServer
from tests.support.row import AT_ONCE, all_ready, configure, daemon, declared, pids


@pytest.fixture
def up(orch: Orch) -> Orch:
    orch.up()
    return orch


@pytest.fixture
def lookalikes(tmp_path: Path) -> Iterator[list[int]]:
    """Processes whose command lines read like ours, and which are not."""
    sleep = shutil.which("sleep")
    assert sleep
    names = ("redis-server", f"{sys.executable} -m celery worker orch")
    made = [subprocess.Popen([name, "600"], executable=sleep, cwd=tmp_path) for name in names]
    yield [process.pid for process in made]
    for process in made:
        process.kill()
        process.wait()


def test_a_healthy_foreign_redis_is_used_and_never_stopped_or_restarted(
    orch: Orch, theirs: RedisServer
) -> None:
    assert theirs.process
    run = connect(theirs.url).info("server")["run_id"]
    configure(orch, f'\n[redis]\nurl = "{theirs.url}"\n')
    orch.up()
    assert orch.service("redis")["external"]
    assert orch("restart", "redis").returncode == 0
    os.kill(daemon(orch), signal.SIGKILL)
    orch.up()
    eventually(lambda: all_ready(orch), 60)
    assert orch("down").returncode == 0

    assert theirs.process.poll() is None
    assert connect(theirs.url).info("server")["run_id"] == run
    assert not orch.processes()


def test_a_stranger_on_the_port_is_refused_with_its_name_and_pid(orch: Orch) -> None:
    code = "import socket, time; s = socket.create_server(('127.0.0.1', 0)); "
    code += "print(s.getsockname()[1], flush=True); time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout
        port = int(stranger.stdout.readline())
        configure(orch, f'\n[redis]\nurl = "redis://127.0.0.1:{port}/0"\n')

        done = orch("up", "-d")

        assert done.returncode == 3
        name = Path(f"/proc/{stranger.pid}/comm").read_text().strip()
        for part in (f"127.0.0.1:{port}", f"pid {stranger.pid}", name):
            assert part in done.stderr, done.stderr
        assert stranger.poll() is None
        assert socket.create_connection(("127.0.0.1", port), 1)
        assert not orch.processes()
        stranger.kill()


def test_nothing_that_only_looks_like_ours_is_touched(
    up: Orch, lookalikes: list[int], tmp_path: Path
) -> None:
    with a_home(tmp_path / "other") as other:
        other.up()
        theirs = other.processes()
        os.kill(up.status()["supervisor"]["pid"], signal.SIGKILL)
        up.up()
        up("down")

        assert all(alive(pid) for pid in lookalikes)
        eventually(lambda: all_ready(other))
        assert set(theirs) == set(other.processes())


def test_a_recycled_pid_in_the_state_file_is_left_alone(orch: Orch, lookalikes: list[int]) -> None:
    orch.up("redis")
    state = orch.home / "data/run/state.json"
    os.kill(orch.status()["supervisor"]["pid"], signal.SIGKILL)
    record = json.loads(state.read_text())
    redis = record["services"]["redis"]["identity"]
    stranger = identify(lookalikes[0])
    record["services"]["redis"]["identity"] = {**redis, "pid": stranger.pid}
    state.write_text(json.dumps(record))

    orch.up("redis")
    orch("down")

    assert alive(stranger.pid)
    assert not orch.processes()


def test_a_recycled_pid_of_a_service_of_the_users_own_is_left_alone(
    orch: Orch, lookalikes: list[int]
) -> None:
    """The pid, the boot and the command are the same; only the start time differs."""
    configure(orch, declared("mine", "sleep", "600", ready=AT_ONCE))
    orch.up("redis", "mine")
    before = pids(orch)
    os.kill(daemon(orch), signal.SIGKILL)
    os.kill(before["mine"], signal.SIGKILL)
    state = orch.home / "data/run/state.json"
    record = json.loads(state.read_text())
    record["services"]["mine"]["identity"]["pid"] = lookalikes[0]
    state.write_text(json.dumps(record))

    orch.up("redis", "mine")

    assert alive(lookalikes[0])
    after = pids(orch)
    assert after["redis"] == before["redis"]
    assert after["mine"] not in (before["mine"], lookalikes[0])
    assert orch("down").returncode == 0
    assert alive(lookalikes[0])
