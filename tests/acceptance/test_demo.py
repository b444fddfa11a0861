"""`orch demo` as a person runs it: to its end, broken off at any moment, and killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervise import ownership
from tests.support.orch import eventually, signal_each
from tests.support.row import within

#: One line of the output of each step: what the demo does when it is broken off.
MOMENTS = {
    "pages": "1 make a site",
    "world": "2 start a web server",
    "up": r"\$ orch up -d",
    "refresh": r"\$ orch proxies refresh",
    "sites": r"\$ orch sites start",
    "down": r"\$ orch down",
}


class Run:
    """A demo in a session of its own, with its output line by line."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator", "demo", *options],
            env={**os.environ, "TMPDIR": str(folder)},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def read_until(self, pattern: str) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(pattern, line):
                return
        raise AssertionError(f"{pattern!r} was never said:\n{self.text}")

    def read_to_the_end(self) -> int:
        assert self.process.stdout
        self.lines += list(self.process.stdout)
        return self.process.wait()

    @property
    def text(self) -> str:
        return "".join(self.lines)

    @property
    def pids(self) -> list[int]:
        return started_in(self.folder)


def started_in(folder: Path) -> list[int]:
    """Every live process that runs below `folder`, or was started for a home there."""
    mark = f"ORCH_HOME={folder}".encode()
    return [
        pid
        for pid in ownership.pids()
        if (any(word.startswith(mark) for word in ownership.environment(pid)) or below(pid, folder))
        and ownership.start_time(pid)
    ]


def below(pid: int, folder: Path) -> bool:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink()).startswith(f"{folder}/")
    except OSError:
        return False


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    signal_each(started_in(tmp_path), signal.SIGKILL)  # only after a test that failed


def nothing_left(run: Run, folder: Path) -> bool:
    return not run.pids and not list(folder.glob("orch-demo-*"))


def test_the_whole_of_it_ends_well_and_leaves_nothing_running(folder: Path) -> None:
    started = time.monotonic()
    run = Run(folder)
    run.read_until(r"\$ orch sites start")
    assert len(run.pids) > 20  # the world, the services with their children, and the command
    assert run.read_to_the_end() == 0, run.text
    assert time.monotonic() - started < 180
    assert "processes of this demo: 0, open ports of 15: 0" in run.text
    assert run.pids == []
    assert "\x1b" not in run.text
    home = next(folder.glob("orch-demo-*"))
    assert (home / "pydocs.jsonl").stat().st_size > 10_000
    log = (home / "world" / "access.log").read_text()
    addresses = {line.split(" ", 1)[0] for line in log.splitlines() if '"' in line}
    assert "127.0.0.1" not in addresses
    assert len(addresses & {f"127.0.0.{last}" for last in range(11, 19)}) == 8


def test_its_files_can_be_removed_at_the_end(folder: Path) -> None:
    run = Run(folder, "--remove")
    assert run.read_to_the_end() == 0, run.text
    assert list(folder.glob("orch-demo-*")) == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_nothing(folder: Path, moment: str) -> None:
    run = Run(folder)
    run.read_until(MOMENTS[moment])
    run.process.send_signal(signal.SIGINT)
    assert run.read_to_the_end() == 130, run.text
    assert run.pids == []
    assert list(folder.glob("orch-demo-*")) == []
    assert "Traceback" not in run.text


def test_sigterm_ends_it_with_143(folder: Path) -> None:
    run = Run(folder)
    run.read_until(MOMENTS["up"])
    run.process.terminate()
    assert run.read_to_the_end() == 143, run.text
    assert run.pids == []


@pytest.mark.alone
def test_the_second_ctrl_c_is_immediate_and_still_leaves_nothing(folder: Path) -> None:
    def second_ctrl_c() -> float:
        run = Run(folder)
        run.read_until(MOMENTS["refresh"])
        run.process.send_signal(signal.SIGINT)
        run.read_until("ending what was started")
        started = time.monotonic()
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait() == 130
        took = time.monotonic() - started
        eventually(lambda: nothing_left(run, folder), what="all is gone")
        return took

    within(1, second_ctrl_c)


@pytest.mark.parametrize("moment", ["pages", "up", "sites"])
def test_a_demo_that_is_killed_leaves_nothing(folder: Path, moment: str) -> None:
    run = Run(folder)
    run.read_until(MOMENTS[moment])
    run.process.kill()
    run.process.wait()
    eventually(lambda: nothing_left(run, folder), what="all is gone")
