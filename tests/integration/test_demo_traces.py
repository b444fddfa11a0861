"""What the demo takes for its own, and that all of it, and nothing else, can be ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.demo import traces
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer

SLEEP = (sys.executable, "-c", "import signal; signal.pause()")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "data").mkdir(parents=True)
    return made


@pytest.fixture
def marked(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP, env={**os.environ, **traces.mark(home)}) as process:
        environment = Path(f"/proc/{process.pid}/environ")
        eventually(
            environment.read_bytes, what="its environment is there, a moment after its start"
        )
        yield process
        process.kill()


@pytest.fixture
def foreign(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody who only looks at the files: a shell or a pager in the home."""
    with subprocess.Popen([*SLEEP, str(home)], cwd=home / "data") as process:
        yield process
        process.kill()


def test_a_process_is_known_by_its_environment(
    home: Path, marked: subprocess.Popen[bytes], foreign: subprocess.Popen[bytes]
) -> None:
    del foreign
    assert traces.processes(home) == [marked.pid]
    assert traces.processes(home.parent) == []


def test_redis_is_known_although_it_hides_its_environment(home: Path) -> None:
    with RedisServer(home / "data") as server:
        assert server.process
        assert traces.processes(home) == [server.process.pid]


def test_all_of_it_is_ended_and_nothing_else(
    home: Path, marked: subprocess.Popen[bytes], foreign: subprocess.Popen[bytes]
) -> None:
    with RedisServer(home / "data") as server:
        assert traces.end_all(home) == []
        assert server.process
        assert server.process.wait(60) == -9
    assert marked.wait(60) == -9
    assert foreign.poll() is None


def test_only_ports_where_somebody_answers_are_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        ports = {"listening": listening.getsockname()[1], "bound": bound.getsockname()[1]}
        assert traces.open_ports(ports) == {"listening": ports["listening"]}
