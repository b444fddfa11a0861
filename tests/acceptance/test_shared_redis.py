"""The whole job on a Redis that belongs to somebody else and is used by two homes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.redis import connect
from tests.support.orch import Orch, a_home
from tests.support.redis_server import RedisServer
from tests.support.site_server import Site, tree

PAGES = 12


@pytest.fixture
def judge() -> Iterator[str]:
    command = [sys.executable, "-m", "proxies.check.judge", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
        process.terminate()


def prepare(orch: Orch, url: str, site: Site, judge: str) -> None:
    (orch.home / "orch.toml").write_text(
        f'[worker]\nconcurrency = 2\n[redis]\nurl = "{url}"\n'
        f'[proxies]\nsources = ["list.txt"]\njudges = ["{judge}"]\ncheck_timeout = "2s"\n'
    )
    (orch.home / "list.txt").write_text("127.0.0.1:1\n127.0.0.1:2\n")
    (orch.home / "sites").mkdir()
    (orch.home / "sites/small.toml").write_text(
        f'name = "small"\nstart_urls = ["{site.url("/0.html")}"]\nallow_private = true\n'
        'rate = "100/s"\n[[follow]]\n[item]\ncss = "div.item"\nfields = { title = "h2::text" }\n'
    )


def test_two_homes_on_one_foreign_server_do_not_see_each_other(
    theirs: RedisServer, judge: str, tmp_path: Path
) -> None:
    client = connect(theirs.url)
    client.set("their", "data")
    with (
        Site(tree(PAGES)) as first_site,
        Site(tree(2 * PAGES)) as second_site,
        a_home(tmp_path / "first") as first,
        a_home(tmp_path / "second") as second,
    ):
        for orch, site in ((first, first_site), (second, second_site)):
            prepare(orch, theirs.url, site, judge)
            orch.up()
        for orch, pages in ((first, PAGES), (second, 2 * PAGES)):
            refreshed = orch("proxies", "refresh", "--min", "0", "--json")
            assert refreshed.returncode == 0, refreshed.stderr
            assert json.loads(refreshed.stdout)["status"] == "COMPLETE"
            scraped = orch("sites", "start", "small")
            assert scraped.returncode == 0, scraped.stderr
            lines = orch("sites", "export", "small").stdout.splitlines()
            assert len(set(lines)) == len(lines) == 2 * pages
        first("down")
        assert {row["state"] for row in second.status()["services"]} == {"ready"}
        second("down")

    ours = [str(key) for key in client.scan_iter() if key != "their"]
    assert len({key.split(":")[0] for key in ours}) == 2, ours
    assert all(key.startswith("orch-") for key in ours), ours
    assert client.get("their") == "data"
