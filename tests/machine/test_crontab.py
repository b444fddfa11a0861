"""`orch cron` with the real program of cron, for a user who has no crontab."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.operate.crontab import LONGEST, Crontab, Entry
from tests.support.orch import Orch

CRONTAB = shutil.which("crontab") or ""
USER = "nobody"

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(not CRONTAB, reason="no cron here"),
    pytest.mark.skipif(os.getuid() != 0, reason="only root may write the crontab of somebody else"),
]

THEIRS = b"MAILTO=me\n\n# a comment \xff\n5 4 * * *  true # nightly\t\n"


def crontab(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [CRONTAB, "-u", USER, *words]
    return subprocess.run(command, input=given, capture_output=True, check=False)


@pytest.fixture(autouse=True)
def _alone() -> Iterator[None]:
    """There is one crontab of nobody for all processes of a test run."""
    with (Path(tempfile.gettempdir()) / "orch-tests-crontab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture
def home(tmp_path: Path, orch: Orch) -> Iterator[Orch]:
    """A home whose `crontab` is that of nobody, who has none."""
    assert crontab("-l").returncode == 1, f"{USER} has a crontab"
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "crontab"
    program.write_text(f'#!/bin/sh\nexec {CRONTAB} -u {USER} "$@"\n')
    program.chmod(0o755)
    orch.environment["PATH"] = f"{programs}:{os.environ['PATH']}"
    yield orch
    crontab("-r")


@pytest.mark.parametrize("theirs", [b"", THEIRS])
def test_the_real_program_takes_it_and_all_else_stays(home: Orch, theirs: bytes) -> None:
    if theirs:
        assert crontab("-", given=theirs).returncode == 0

    first = home("cron", "install", "--every", "6h", "--up")
    assert first.returncode == 0, first.stderr
    found = crontab("-l").stdout
    assert found.startswith(theirs)
    assert found.count(b"# orch-cron") == 1
    assert home("cron", "install", "--every", "6h", "--up").stdout.startswith("it is there already")
    assert home("cron", "show").returncode == 0
    assert home("cron", "remove").stdout == "removed\n"

    assert crontab("-l").stdout == theirs


@pytest.mark.parametrize("every", ["1m", "5m", "30m", "1h", "6h", "1d"])
def test_it_understands_every_length_of_time(home: Orch, every: str) -> None:
    done = home("cron", "install", "--every", every)

    assert done.returncode == 0, done.stderr


def test_what_it_refuses_is_told(home: Orch) -> None:
    done = home("cron", "install", "--schedule", "61 * * * *")

    assert done.returncode == 1
    assert "bad minute" in done.stderr
    assert crontab("-l").stdout == b""


def test_a_line_as_long_as_we_write_is_taken_as_it_is(home: Orch, tmp_path: Path) -> None:
    place = Home(home.home)
    short = Entry(place, "@hourly", ["x"], {}).line
    words = ["x" * (LONGEST - len(short.removeprefix("@hourly ")) + 1)]
    entry = Entry(place, "@hourly", words, {})
    table = Crontab(str(tmp_path / "bin/crontab"))

    assert table.install(entry)

    assert len(entry.line) > LONGEST
    assert table.lines_of(place) == [entry.line]
    with pytest.raises(ConfigError):
        _ = Entry(place, "@hourly", [words[0] + "x"], {}).line
