"""Logs are kept small, and memory is counted with all children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.supervise import rotation
from orchestrator.supervise.memory import used_bytes
from orchestrator.supervise.service import LogSpec
from tests.support.orch import eventually


def fill(path: Path, text: str) -> None:
    path.write_text(text * 100)


def test_a_log_that_is_held_open_is_copied_and_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = LogSpec(str(path), max_bytes=50, keep=2)
    with path.open("ab", buffering=0) as held:
        for number in range(4):
            held.write(b"%d" % number * 100)
            assert rotation.is_due(log)
            rotation.rotate(log)
            assert not rotation.is_due(log)
        held.write(b"end")

    assert path.read_bytes() == b"end"
    assert (tmp_path / "x.log.1").read_bytes() == b"3" * 100
    assert (tmp_path / "x.log.2").read_bytes() == b"2" * 100
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.log", "x.log.1", "x.log.2"]


def test_without_copies_to_keep_it_is_only_emptied(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    fill(path, "a")

    rotation.rotate(LogSpec(str(path), max_bytes=50, keep=0))

    assert path.read_bytes() == b""
    assert list(tmp_path.iterdir()) == [path]


def test_one_that_can_reopen_has_its_file_renamed(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    fill(path, "a")

    rotation.rotate(LogSpec(str(path), max_bytes=50, reopen="USR1"))

    assert not path.exists()
    assert (tmp_path / "x.log.1").read_text() == "a" * 100


@pytest.mark.parametrize("limit", [0, 1000])
def test_a_small_log_and_one_without_a_limit_are_left_alone(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "x.log"
    assert not rotation.is_due(LogSpec(str(path), max_bytes=limit))
    fill(path, "a")

    assert not rotation.is_due(LogSpec(str(path), max_bytes=limit))


def test_a_copy_that_finds_no_room_leaves_the_log_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    fill(path, "a")
    (tmp_path / "x.log.1").mkdir()  # nothing can be copied there

    with pytest.raises(OSError, match="directory"):
        rotation.rotate(LogSpec(str(path), max_bytes=50, keep=1))

    assert path.read_text() == "a" * 100


def test_the_memory_of_a_child_counts() -> None:
    hungry = "import time; block = bytearray(50_000_000); print(flush=True); time.sleep(60)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}])"
    leader = subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE
    )
    try:
        assert leader.stdout
        leader.stdout.readline()
        eventually(lambda: used_bytes(leader.pid) > 50_000_000)
    finally:
        os.killpg(leader.pid, signal.SIGKILL)
        leader.communicate()
