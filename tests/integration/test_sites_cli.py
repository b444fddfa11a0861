"""`orch sites` as people type it, with the services running."""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.orch import Orch, a_home, eventually
from tests.support.site_server import Answer, Site, tree

DEFINITION = """
start_urls = ["{url}"]
rate = {rate}
burst = {burst}
allow_private = true
{more}
[[follow]]
[item]
css = "div.item"
[item.fields]
title = {{ css = "h2::text", required = true }}
price = {{ css = "b::text", type = "money" }}
"""


@pytest.fixture(scope="module")
def orch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orch]:
    with a_home(tmp_path_factory.mktemp("home"), "[worker]\nconcurrency = 3\n") as found:
        found.up()
        yield found


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(tree(40)) as server:
        yield server


def define(
    orch: Orch, site: Site, name: str, *, rate: float = 500.0, burst: int = 50, more: str = ""
) -> None:
    folder = orch.home / "sites"
    folder.mkdir(exist_ok=True)
    text = DEFINITION.format(url=site.url("/0.html"), rate=rate, burst=burst, more=more)
    (folder / f"{name}.toml").write_text(text)


def state(orch: Orch, name: str) -> str:
    return str(orch.json("sites", "status", name, "--json")[0]["state"])


def test_a_start_follows_its_job_to_the_end(orch: Orch, site: Site) -> None:
    define(orch, site, "whole")

    done = orch("sites", "start", "whole")

    assert done.returncode == 0, done.stderr
    assert "whole: done, 40/40 pages, 80 items" in done.stdout
    (row,) = orch.json("sites", "status", "whole", "--json")
    assert (row["state"], row["pages_done"], row["items"]) == ("done", 40, 80)
    lines = orch("sites", "export", "whole").stdout.splitlines()
    assert len(lines) == len(set(lines)) == 80
    assert json.loads(lines[0])["title"] == "item 0-0"


def test_an_export_goes_to_a_file_in_the_form_that_is_asked_for(orch: Orch, site: Site) -> None:
    define(orch, site, "table")
    orch("sites", "start", "table")

    done = orch("sites", "export", "table", "--format", "csv", "-o", "out.csv")

    assert done.returncode == 0
    rows = list(csv.DictReader(io.StringIO((orch.home / "out.csv").read_text())))
    assert len(rows) == 80
    assert rows[0]["price"] == "0.5"


def test_several_sites_run_at_once_and_the_worst_end_is_the_exit_code(
    orch: Orch, site: Site
) -> None:
    """What failed can be fetched again alone."""
    define(orch, site, "good")
    with Site(tree(5)) as other:
        other.pages["/3.html"] = Answer(status=403)
        define(orch, other, "poor", more="limits = { attempts = 1 }")
        done = orch("sites", "start", "good", "poor")
        assert done.returncode == 6, done.stderr
        assert "good: done" in done.stdout
        assert "poor: partial" in done.stdout
        failures = orch.json("sites", "failures", "poor", "--json")
        assert [row["reason"] for row in failures] == ["http_403: status 403"]

        other.pages |= tree(5)
        assert orch("sites", "retry-failed", "poor", "--class", "timeout").returncode == 0
        assert other.asked()["/3.html"] == 1
        done = orch("sites", "retry-failed", "poor", "--class", "http_403")
        assert done.returncode == 0, done.stderr
        assert "poor: fetching again: 1 page (1 http_403)" in done.stderr
        assert "poor: done, 5/5 pages, 10 items" in done.stdout
        assert orch.json("sites", "failures", "poor", "--json") == []

        other.pages["/0.html"] = Answer(status=403)
        assert orch("sites", "start", "poor").returncode == 1


def test_ctrl_c_in_a_start_stops_the_job_and_leaves_the_services(orch: Orch, site: Site) -> None:
    define(orch, site, "slow", rate=1.0, burst=2)  # it would take most of a minute
    process = orch.popen("sites", "start", "slow")
    eventually(lambda: len(site.hits) > 2, 60)

    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "`orch sites resume slow` goes on with it" in told
    assert state(orch, "slow") == "stopped"
    assert orch("status").returncode == 0
    define(orch, site, "slow")
    assert orch("sites", "resume", "slow").returncode == 0
    assert state(orch, "slow") == "done"


def test_a_second_start_follows_the_same_job(orch: Orch, site: Site) -> None:
    define(orch, site, "twice", rate=0.5, burst=1)
    first = orch("sites", "start", "twice", "--no-wait")
    second = orch("sites", "start", "twice", "--no-wait")

    assert first.returncode == second.returncode == 0
    assert first.stderr.split()[2] == second.stderr.split()[2]  # the job's id
    stopped = orch("sites", "stop", "twice")
    assert stopped.returncode == 0
    assert stopped.stdout == "twice: stopped\n"


def test_what_there_is_can_be_listed_shown_and_checked(orch: Orch, site: Site) -> None:
    define(orch, site, "seen")

    assert {row["site"] for row in orch.json("sites", "list", "--json")} >= {"books", "seen"}
    shown = orch.json("sites", "show", "seen", "--json")
    assert shown["definition"]["start_urls"] == [site.url("/0.html")]
    assert shown["job"] is None
    assert "rate: 500.0" in orch("sites", "show", "seen").stdout
    assert orch("sites", "check", "seen").returncode == 0
    assert orch("sites", "check", "sites/seen.toml").returncode == 0


def test_a_broken_site_file_is_told_whole_and_without_a_traceback(orch: Orch) -> None:
    file = orch.home / "sites" / "broken.toml"
    file.parent.mkdir(exist_ok=True)  # whichever test comes first
    file.write_text('start_urls = []\nrate = "fast"\n')
    try:
        for words in (("start", "broken"), ("check", "broken"), ("check", str(file))):
            done = orch("sites", *words)
            assert done.returncode == 2
            assert "rate = 'fast': write requests per time" in done.stderr
            assert "item: is missing" in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        file.unlink()


def test_without_services_a_start_says_how_to_get_them(tmp_path: Path, site: Site) -> None:
    with a_home(tmp_path / "other") as other:
        define(other, site, "whole")

        done = other("sites", "start", "whole")

        assert done.returncode == 3
        assert "orch up" in done.stderr
        assert other("sites", "export", "whole").returncode == 1
        assert other("sites", "list").returncode == 0
