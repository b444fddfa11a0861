"""The access log: whatever is done to its file, lines are whole and none is written twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proxies.gateway import access
from proxies.gateway.access import AccessLog, Line
from proxies.gateway.route import ANY
from proxies.gateway.tries import Tries
from tests.support.fake_clock import FakeClock


class Nothing:
    """A request for which there was no upstream."""

    tries = Tries(None, None, 4, float)  # type: ignore[arg-type]  # nobody is asked
    sent = 0
    received = 7


@pytest.fixture
def log(tmp_path: Path) -> AccessLog:
    return AccessLog(tmp_path / "access.log", FakeClock())


def add(log: AccessLog, *targets: str) -> None:
    for target in targets:
        log.add(Line("1.2.3.4:5", ANY, "GET", target, 503), Nothing(), 0.25)
    log.write()


def targets(path: Path) -> list[str]:
    return [line.split(" ")[4] for line in path.read_text().splitlines()]


def test_a_line_has_the_same_fields_always(log: AccessLog, tmp_path: Path) -> None:
    add(log, "http://a.test/")
    line = (tmp_path / "access.log").read_text()
    stamp, rest = line.split(" ", 1)
    assert rest == "1.2.3.4:5 - GET http://a.test/ 503 0 7 0.250 0 -\n"
    assert stamp.endswith("Z")
    assert len(stamp) == len("2026-01-01T00:00:00.000Z")


def test_a_file_that_others_rename_remove_or_empty_is_no_trouble(
    log: AccessLog, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    add(log, "a")
    path.rename(tmp_path / "moved")
    add(log, "b")
    assert (targets(tmp_path / "moved"), targets(path)) == (["a"], ["b"])
    path.unlink()
    add(log, "c")
    assert targets(path) == ["c"]
    os.truncate(path, 0)
    add(log, "d")
    assert targets(path) == ["d"]
    assert path.stat().st_mode & 0o077 == 0


def test_it_keeps_itself_short(
    log: AccessLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "LARGEST", 200)
    monkeypatch.setattr(access, "KEPT", 2)
    for number in range(20):
        add(log, f"{number}")
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["access.log", "access.log.1", "access.log.2"]
    kept = [number for name in reversed(names) for number in targets(tmp_path / name)]
    assert kept == [f"{number}" for number in range(20 - len(kept), 20)]


def test_what_the_disk_does_not_take_is_written_when_it_does(
    log: AccessLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "access.log"
    path.mkdir()
    add(log, "a")
    add(log, "b")
    path.rmdir()
    add(log, "c")
    assert targets(path) == ["a", "b", "c"]
    path.rename(tmp_path / "moved")
    path.mkdir()
    monkeypatch.setattr(access, "MOST_WAITING", 100)
    add(log, *"abcdefgh")
    path.rmdir()
    add(log, "z")
    text = path.read_text()
    assert text.count("\n") < 8
    assert "lines were lost" in text


def test_without_a_path_nothing_is_written(tmp_path: Path) -> None:
    log = AccessLog(None)
    assert not log.wanted
    add(log, "a")
    assert not list(tmp_path.iterdir())
