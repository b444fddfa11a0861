"""Who watches a file hears of what is written to it, and of its end."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.core.changes import Changes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "log"
    made.write_text("")
    return made


def watched(file: Path) -> Changes:
    changes = Changes.of(file)
    assert changes
    return changes


def test_a_write_of_another_process_ends_the_wait(file: Path) -> None:
    changes = watched(file)
    writes = f"import time; time.sleep(0.2); open({str(file)!r}, 'a').write('x')"
    with subprocess.Popen([sys.executable, "-c", writes]):
        began = time.monotonic()
        assert changes.wait(60)
        assert time.monotonic() - began < 30
    assert not changes.over


def test_a_write_before_the_wait_is_not_missed_and_told_once(file: Path) -> None:
    changes = watched(file)
    for _ in range(1000):
        file.write_text("x")
    assert changes.wait(0)
    while changes.wait(0):
        pass
    assert not changes.wait(0.01)


@pytest.mark.parametrize("end", [Path.unlink, lambda path: path.rename(f"{path}.old")])
def test_the_end_of_the_file_is_told(file: Path, end: object) -> None:
    changes = watched(file)
    end(file)  # type: ignore[operator]
    assert changes.wait(60)
    assert changes.over


def test_nobody_tells_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert Changes.of(tmp_path / "none") is None


def test_a_watch_that_is_dropped_leaves_no_file_open(file: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        watched(file)
    changes = watched(file)
    changes.close()
    changes.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
