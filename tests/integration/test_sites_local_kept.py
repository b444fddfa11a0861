"""What is left of runs without Redis: the last ones, and nothing that grows with how many there were."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli import log_file
from orchestrator.cli.run import run as typed
from sites.local.crawl import LocalCrawl
from sites.results.output import Results
from sites.results.retention import Pruning
from tests.support.local_home import LocalHome, finish
from tests.support.site_server import Site, tree

KEPT = 2
PAGES = 12


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(tree(PAGES)) as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, site: Site) -> LocalHome:
    return LocalHome(tmp_path, site, settings=f"[sites]\nkeep_runs = {KEPT}\n")


def run(home: LocalHome) -> str:
    """One run; return its job."""
    finish(home.start())
    row = home.row()
    assert (row["state"], row["items"]) == ("done", 2 * PAGES)
    return str(row["job_id"])


def jobs(home: LocalHome) -> list[str]:
    """What readers see, after making sure that nothing else is there."""
    with Results(home.place.results) as results:
        known = [each.job for each in results.runs()]
        for table in ("pages", "items", "runs"):
            found = results.rows(f"SELECT DISTINCT job FROM {table} ORDER BY job")  # noqa: S608
            assert [job for (job,) in found] == known
    return known


def sizes(home: LocalHome) -> dict[str, int]:
    """Of every file in `data`, a job by any name."""
    data, job = home.context.home.data, str(home.row()["job_id"])
    files = [path for path in data.rglob("*") if path.is_file()]
    return {str(path.relative_to(data)).replace(job, "JOB"): path.stat().st_size for path in files}


def test_the_last_runs_are_kept_and_no_file_grows_with_the_number_of_runs(home: LocalHome) -> None:
    made = [run(home) for _ in range(KEPT + 2)]
    before = sizes(home)
    made += [run(home) for _ in range(4)]

    now = sizes(home)
    assert jobs(home) == made[-KEPT:]
    assert now.keys() == before.keys()
    assert [name for name in now if name.endswith(".frontier")] == ["sites/shop/JOB.frontier"]
    assert sum(now.values()) <= 1.2 * sum(before.values())


@pytest.mark.parametrize("owner", [LocalCrawl, Pruning])
def test_old_runs_go_although_those_who_delete_them_are_killed(
    home: LocalHome, owner: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [run(home) for _ in range(KEPT)]
    step = "_tidy" if owner is LocalCrawl else "_some_of"
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        finish(home.start())
    assert home.row()["state"] == "done"
    made += [str(home.row()["job_id"]), run(home)]

    assert jobs(home) == made[-KEPT:]


def test_who_is_killed_while_writing_leaves_nothing_for_good(
    home: LocalHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(home)
    before = sizes(home).keys()
    parent = os.getpid()

    def fsync(_file: int) -> None:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        finish(home.start())
    left = sizes(home).keys() - before
    assert any(name.startswith("sites/shop/.job.json.") for name in left)

    finish(home.resume())

    assert home.row()["state"] == "done"
    assert sizes(home).keys() == before


def test_old_runs_are_deleted_when_it_is_said(
    home: LocalHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [run(home) for _ in range(KEPT)]
    words = ["sites", "prune", "shop", "--older-than"]

    def prune(age: str) -> list[str]:
        place = str(home.context.home.path)
        monkeypatch.setattr("sys.argv", ["orch", "--home", place, *words, age])
        assert typed() == 0
        return jobs(home)

    assert prune("1h") == made
    assert prune("0s") == made[-1:]
    assert home.row()["job_id"] == made[-1]
    assert len(home.items()) == home.row()["items"] == 2 * PAGES
    assert run(home) == jobs(home)[-1]


def test_the_log_of_many_runs_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LOG_BYTES", 1000)
    for number in range(100):
        with log_file.logged_to(tmp_path / "sites.log"):
            logging.getLogger("sites").info("run %d: %s", number, "x" * 100)

    files = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(files) == 1 + log_file.LOG_KEEP
    assert max(files) <= 1000
