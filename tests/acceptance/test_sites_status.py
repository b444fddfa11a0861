"""`orch sites status --watch` as people type it."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from tests.support.orch import Orch
from tests.support.site_server import Site, tree

SHOP = """
start_urls = ["{url}"]
allow_private = true
robots = false
rate = 1000
burst = 100
[[follow]]
[item]
css = "div.item"
fields = {{ title = "h2::text" }}
"""


@pytest.fixture(scope="module")
def orch(tmp_path_factory: pytest.TempPathFactory) -> Orch:
    """Two sites that were scraped in a process of their own: nothing is up."""
    orch = Orch(tmp_path_factory.mktemp("status") / "home", "")
    (orch.home / "sites").mkdir(mode=0o700)
    with Site(tree(10)) as site:
        for name in ("one", "two"):
            (orch.home / f"sites/{name}.toml").write_text(SHOP.format(url=site.url("/0.html")))
        done = orch("sites", "start", "one", "two", "--local")
    assert done.returncode == 0, done.stderr
    return orch


def watched(orch: Orch, *words: str, lines: int) -> list[str]:
    watching = orch.popen(
        *("sites", "status", "--watch", *words), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert watching.stdout
    found = [watching.stdout.readline() for _ in range(lines)]
    watching.send_signal(signal.SIGINT)
    rest, told = watching.communicate(timeout=20)
    assert watching.returncode == 130, told
    assert "Traceback" not in rest + told
    return found


def test_without_services_a_site_is_shown_and_a_name_that_is_none_is_told(orch: Orch) -> None:
    shown, none = orch("sites", "show", "books"), orch("sites", "status", "nosuch")

    assert (shown.returncode, none.returncode) == (0, 2)
    assert "start_urls: " in shown.stdout
    assert "how its newest job stands is not known: " in shown.stderr
    assert "'nosuch' is not there; there are: books, one, " in none.stderr


def test_without_a_terminal_there_are_lines_with_the_sum_of_all(orch: Orch) -> None:
    one, two, whole = watched(orch, lines=3)

    assert "one: done, 10/10 pages, 20 items" in one
    assert "two: done, 10/10 pages, 20 items" in two
    assert "all: 0 of 2 active, 20/20 pages, 40 items" in whole


def test_as_json_a_look_is_one_line(orch: Orch) -> None:
    (line,) = watched(orch, "--json", lines=1)

    found = json.loads(line)
    assert [row["site"] for row in found["sites"]] == ["one", "two"]
    assert (found["totals"]["pages_done"], found["totals"]["items"]) == (20, 40)


def test_a_table_of_several_sites_ends_with_their_sum(orch: Orch) -> None:
    done = orch("sites", "status")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-2].replace("│", " ").split()[:3] == ["all", "0", "active"]


def test_the_list_of_sites_tells_when_each_runs_next(orch: Orch) -> None:
    file = orch.home / "sites/two.toml"
    file.write_text('schedule = "0 0 1 1 *"\nneeds = ["one"]\n' + file.read_text())

    found = {entry["site"]: entry for entry in orch.json("sites", "list", "--json")}
    table = orch("sites", "list").stdout

    assert (found["two"]["schedule"], found["two"]["needs"]) == ("0 0 1 1 *", ["one"])
    assert found["two"]["next_run_at"] > time.time()
    assert found["one"]["next_run_at"] is None
    assert "after one" in table


def test_one_site_alone_is_no_sum(orch: Orch) -> None:
    assert "active" not in orch("sites", "status", "one").stdout


def test_how_a_site_stands_that_services_crawled_since_is_not_told_without_them(orch: Orch) -> None:
    with closing(sqlite3.connect(orch.home / "data/sites/two/results.sqlite")) as results, results:
        results.execute("CREATE TEMP TABLE later AS SELECT * FROM runs")
        results.execute("UPDATE later SET job = 'ffffffffffff'")
        results.execute("INSERT INTO runs SELECT * FROM later")

    both, two = orch("sites", "status"), orch("sites", "status", "two")

    assert (both.returncode, two.returncode) == (0, 3)
    assert "one" in both.stdout
    assert "two" not in both.stdout
    assert both.stderr == "two: how it stands is not known while nothing is up\n"
