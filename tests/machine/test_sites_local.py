"""A disk that is full while a site is crawled without Redis: the job waits, and loses nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.local_home import LocalHome, finish, kill
from tests.support.orch import eventually
from tests.support.site_server import Answer, Site, tree

PAGES = 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 800 KB; mounting needs root."""
    folder = tmp_path / "data" / "sites"
    folder.mkdir(parents=True)
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=800k", "orch-test", str(folder)]
    subprocess.run(mount, check=True)
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=True)


@pytest.mark.machine
@pytest.mark.parametrize("killed", [False, True])
def test_a_full_disk_pauses_the_job_and_nothing_is_lost(
    tmp_path: Path, small_disk: Path, killed: bool
) -> None:
    pages = {
        path: Answer(str(page.body) + "<div class=item><h2>long</h2></div>" * 200)
        for path, page in tree(PAGES).items()
    }
    with Site(pages) as site:
        home = LocalHome(tmp_path, site)
        run = home.start()
        eventually(lambda: "is full" in home.row()["reason"])
        assert (home.row()["state"], home.row()["health"]) == ("running", "waiting")
        if killed:
            kill(run)
            assert home.row()["state"] == "failed"

        subprocess.run(["/bin/mount", "-o", "remount,size=64m", str(small_disk)], check=True)
        if killed:
            run = home.resume()
        finish(run)

        assert home.row()["state"] == "done", home.row()
        assert len(home.items()) == PAGES * 202
        assert sum(site.asked().values()) - PAGES <= killed * 8
