"""Logs are kept small, and memory is counted with all children."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.events import EventLog
from orchestrator.supervise import rotation
from orchestrator.supervise.memory import used_bytes
from orchestrator.supervise.process import Process
from orchestrator.supervise.service import LogSpec, ProbeSpec, ServiceSpec
from orchestrator.supervise.upkeep import EVERY_S, Upkeep
from tests.support.orch import eventually


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


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


@pytest.fixture
def no_room() -> Iterator[None]:
    """As on a full disk: no file of this process grows beyond 2000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_rotation_that_fails_again_and_again_loses_no_older_log(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "x.log"
    fill(path, "a" * 50)
    for number in range(1, 4):
        (tmp_path / f"x.log.{number}").write_text(f"old {number}")
    before = contents(tmp_path)
    request.getfixturevalue("no_room")

    for _ in range(4):
        with pytest.raises(OSError, match="too large"):
            rotation.rotate(LogSpec(str(path), max_bytes=50, keep=3))

    assert contents(tmp_path) == before


def test_one_that_was_cut_off_between_two_renamings_costs_no_older_log(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    fill(path, "a")
    for number in (2, 3):  # the first has become the second
        (tmp_path / f"x.log.{number}").write_text(f"old {number}")

    rotation.rotate(LogSpec(str(path), max_bytes=50, keep=3))

    assert contents(tmp_path) == {
        "x.log": "",
        "x.log.1": "a" * 100,
        "x.log.2": "old 2",
        "x.log.3": "old 3",
    }


def test_of_a_log_far_beyond_its_limit_the_last_lines_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "FAR_BEYOND", 200)
    path = tmp_path / "x.log"
    path.write_text("".join(f"line {number:04}\n" for number in range(1000)))

    rotation.rotate(LogSpec(str(path), max_bytes=50, keep=1))

    first, *lines = (tmp_path / "x.log.1").read_text().splitlines()
    assert first == "[orch: the 9910 bytes before this were too many to be kept]"
    assert lines == [f"line {number:04}" for number in range(991, 1000)]
    assert path.read_text() == ""


def test_the_supervisor_goes_on_while_a_log_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    log = LogSpec(str(path), max_bytes=50)
    upkeep = Upkeep(ServiceSpec("x", ProbeSpec("end"), log=log), EventLog(tmp_path / "events"))
    rotation.part_of(path).write_text("left over")
    upkeep.tick(0.0, None)
    assert contents(tmp_path) == {}
    fill(path, "a")
    os.mkfifo(rotation.part_of(path))  # a disk that takes nothing until somebody reads

    upkeep.tick(10.0, None)  # comes back

    assert path.read_text() == "a" * 100
    assert not rotation.is_due(log)  # it is under way
    assert rotation.part_of(path).read_text() == "a" * 100
    eventually(lambda: path.read_text() == "")


def test_one_that_was_just_started_is_not_yet_told_to_reopen_its_log(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    fill(path, "a")
    log = LogSpec(str(path), max_bytes=50, reopen="USR1")
    script = 'echo $$; sleep 0.3; trap "echo again >> $0" USR1; while :; do sleep 0.05; done'
    command = ("sh", "-c", script, str(tmp_path / "told"))
    spec = ServiceSpec("x", ProbeSpec("end"), command=command, log=log)
    upkeep = Upkeep(spec, EventLog(tmp_path / "events"))
    process = Process.start(spec)
    try:
        upkeep.tick(10.0, process)  # a signal would be its end
        time.sleep(1)
        assert not process.ended()
        assert path.exists()

        upkeep.tick(10.0 + EVERY_S, process)

        assert not path.exists()
        eventually((tmp_path / "told").exists)
    finally:
        process.signal(signal.SIGKILL)
        eventually(process.ended)
        process.kill_family()
        process.close()


def test_of_rotations_that_fail_one_after_the_other_the_first_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    fill(path, "a")
    (tmp_path / "x.log.1").mkdir()
    events = tmp_path / "events"
    log = LogSpec(str(path), max_bytes=50, keep=1)
    upkeep = Upkeep(ServiceSpec("x", ProbeSpec("end"), log=log), EventLog(events))
    seconds = iter(range(0, 100_000, 5))

    def told() -> list[str]:
        upkeep.tick(next(seconds), None)
        return events.read_text().splitlines() if events.exists() else []

    eventually(told)
    tries = next(seconds)
    eventually(lambda: told() and next(seconds) > tries + 100)
    assert len(told()) == 1
    assert "log.not_rotated" in told()[0]
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
