"""A disk that is full: said clearly, nothing lost, and it goes on when there is room again."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervise.specs import WORKER_SILENCE_S
from tests.chaos.test_site_jobs import ENDED, PAGES, define, exported, progress, start, state
from tests.support.orch import Orch, a_home, eventually
from tests.support.row import all_ready, pids, states
from tests.support.site_server import Site, tree

pytestmark = pytest.mark.machine

TOML = "[worker]\nconcurrency = 2\n"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 24 MB; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    assert mount
    assert umount
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run([umount, "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as handle:
        for size in (1 << 20, 4096, 1):
            while True:
                try:
                    handle.write(b"x" * size)
                except OSError:
                    break
    return file


def test_up_on_a_full_disk_says_so_and_starts_nothing(small_disk: Path) -> None:
    with a_home(small_disk / "home", TOML) as orch:
        filler = fill(small_disk)
        done = orch("up", "-d")

        assert done.returncode == 1, done.stderr
        assert "full" in done.stderr
        assert "Traceback" not in done.stderr
        assert not orch.processes()
        filler.unlink()
        orch.up()


def test_a_disk_that_fills_during_a_job_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    """The results' disk is full; Redis has its own."""
    with Site(tree(PAGES)) as site, a_home(tmp_path / "home", TOML) as orch:
        define(orch, site)
        (orch.home / "data").mkdir(mode=0o700)
        (orch.home / "data/sites").symlink_to(small_disk)
        orch.up()
        start(orch)
        eventually(lambda: progress(orch) > PAGES / 8, 60)

        filler = fill(small_disk)
        eventually(lambda: state(orch) in ("stopping", *ENDED), 120)
        eventually(lambda: "full" in (orch.home / "data/logs/results.log").read_text(), 60)
        eventually(lambda: states(orch).pop("results") == "unhealthy")
        assert "full" in orch.service("results")["probe"]["error"]
        assert orch("status").returncode == 1
        pids_before = pids(orch)
        filler.unlink()

        eventually(lambda: len(set(exported(orch))) == 2 * PAGES, 30)
        assert len(exported(orch)) == 2 * PAGES
        eventually(lambda: all_ready(orch))
        assert pids(orch) == pids_before


def test_no_service_is_given_up_for_a_full_disk_and_all_are_ready_afterwards(
    small_disk: Path,
) -> None:
    """Celery's worker ends when Redis refuses its writes; the others only cannot write their marks."""
    with a_home(small_disk / "home", TOML) as orch:
        orch.up()
        pids = {name: orch.pid(name) for name in ("redis", "results", "beat")}

        filler = fill(small_disk)
        time.sleep(2 * WORKER_SILENCE_S)  # what must not happen would happen by then
        rows = {row["name"]: row for row in orch.status()["services"]}
        assert "failed" not in {row["state"] for row in rows.values()}, rows
        assert rows["redis"]["state"] == "unhealthy"
        assert "No space left" in rows["redis"]["probe"]["error"]
        assert {name: rows[name]["pid"] for name in pids} == pids
        filler.unlink()

        eventually(lambda: {r["state"] for r in orch.status()["services"]} == {"ready"}, 40)


def test_a_full_disk_under_redis_pauses_the_job_and_it_goes_on_afterwards(
    small_disk: Path,
) -> None:
    with Site(tree(PAGES)) as site, a_home(small_disk / "home", TOML) as orch:
        define(orch, site)
        orch.up()
        start(orch)
        eventually(lambda: progress(orch) > PAGES / 8, 60)

        filler = fill(small_disk)
        eventually(lambda: _does_not_move(orch), 60)
        reason = eventually(lambda: _reason(orch), 60)
        assert "takes no writes" in reason
        assert "No space left" in reason
        # The job meets the refusal at once, the supervisor with its next probe.
        eventually(lambda: orch("status").returncode == 1)
        filler.unlink()

        eventually(lambda: state(orch) == "done", 120)
        eventually(lambda: len(set(exported(orch))) == 2 * PAGES, 30)
        assert len(exported(orch)) == 2 * PAGES


def _reason(orch: Orch) -> str:
    (row,) = orch.json("sites", "status", "tree", "--json")
    assert (row["state"], row["pages_failed"]) == ("running", 0)
    return str(row["reason"])


def _does_not_move(orch: Orch) -> bool:
    """Redis refuses writes while its append-only file cannot be written."""
    log = (orch.home / "data/logs/redis.log").read_text()
    return "No space left" in log or "Short write" in log
