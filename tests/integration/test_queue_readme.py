"""What the README shows of a queue for Python runs as it stands there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.queue.model import Limits
from orchestrator.queue.open import open_queue
from tests.support.queue_place import counted

README = Path(__file__).parents[2] / "README.md"
#: What `shop.py` leaves to the reader.
REST = "def ready(payload): return True\ndef neighbours(payload): return range(payload['n'], 104, 60)\n"


def blocks(language: str) -> list[str]:
    section = (
        README.read_text("utf-8").partition("\n## A queue of your own\n")[2].partition("\n## ")[0]
    )
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", section)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shop, *_ = blocks("python")
    (tmp_path / "data").mkdir()
    (tmp_path / "shop.py").write_text(shop + REST, "utf-8")
    return tmp_path


def run(folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(README.parent)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def test_the_example_of_a_runner_does_its_jobs_and_tells(folder: Path) -> None:
    told = run(folder, blocks("python")[1])
    assert [line.split()[0] for line in told.splitlines()][:2] == [
        "runner.started",
        "runner.stopping",
    ]
    with open_queue(folder / "data/queue.sqlite") as queue:
        assert counted(queue.store) == {"done": 2}  # page-1 and its neighbour page-61
        assert queue.limits() == Limits({"shop": 2}, None, 1)
        first = queue.job("page-1")
        assert first
        assert first.host == "x.example"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_example_of_a_runner_ends_at_a_signal_in_good_order(folder: Path, number: int) -> None:
    raised = f"    signal.raise_signal({int(number)})\n        runner.wait()\n"
    code = blocks("python")[1].replace("        runner.wait()\n", f"    {raised}")
    assert "raise_signal" in code
    assert "runner.stopped" in run(folder, code.replace("drain=True, ", ""))


def test_the_examples_without_threads_and_without_a_queue_run(folder: Path) -> None:
    run(
        folder,
        "from orchestrator.queue import open_queue\n"
        "with open_queue('data/queue.sqlite') as queue: queue.enqueue('page-1', {'n': 1})",
    )
    run(folder, blocks("python")[2] + "assert waited == 0.0\n")
    with open_queue(folder / "data/queue.sqlite") as queue:
        assert set(counted(queue.store)) == {"done"}
