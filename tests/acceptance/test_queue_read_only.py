"""`orch queue …` where nothing may be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.orch import Orch
from tests.support.queue_home import QueueHome

#: Even root may then only write what its mode allows.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[QueueHome]:
    """A home that is read-only, with a job in its queue."""
    made = QueueHome(Orch(tmp_path / "home", ""))
    made.fine("enqueue", "a", '{"n": 1}')
    if os.getuid() == 0:
        made.orch.command = [*WITHOUT_RIGHTS, *made.orch.command]
    folders = [made.orch.home / "data", made.orch.home]
    for folder in folders:
        folder.chmod(0o555)
    yield made
    for folder in folders:
        folder.chmod(0o755)


def test_what_only_looks_works(home: QueueHome) -> None:
    before = sorted((home.orch.home / "data").iterdir())
    assert home.json("stats")["queued"] == 1
    assert [row["id"] for row in home.json("list")] == ["a"]
    assert home.json("show", "a")["payload"] == {"n": 1}
    assert home.fine("export").startswith('{"id": "a"')
    home.fine("limits")
    assert sorted((home.orch.home / "data").iterdir()) == before
    refused = home("cancel", "a")
    assert refused.returncode == 1
    assert "for writing" in refused.stderr
    assert home.states() == {"queued": 1}


@pytest.mark.parametrize("there_is_a_log", [False, True])
def test_a_runner_that_cannot_keep_its_log_says_what_to_do(
    home: QueueHome, tmp_path: Path, there_is_a_log: bool
) -> None:
    """The queue is elsewhere, where it can be written."""
    home.target = str(tmp_path / "elsewhere.sqlite")
    home.fine("enqueue", "b")
    if there_is_a_log:
        log = home.orch.home / "data/logs/queue.log"
        (home.orch.home / "data").chmod(0o755)
        log.parent.mkdir()
        log.touch(0o444)
    refused = home("run", "--drain", "--exec", "true")
    assert refused.returncode == 1
    assert "cannot write" in refused.stderr
    assert "`orch --home FOLDER queue run …`" in refused.stderr
    other = tmp_path / "other"
    other.mkdir()
    home.orch.command += ["--home", str(other)]
    home.fine("run", "--drain", "--exec", "true")
    assert home.states() == {"done": 1}
    assert (other / "data/logs/queue.log").exists()
