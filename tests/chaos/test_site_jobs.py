"""Whatever is killed while a site is scraped, the result is that of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.supervise.ownership import family
from tests.support.orch import Orch, a_home, alive, eventually
from tests.support.site_server import Answer, Site, tree

PAGES = 240
RATE = 40
#: A killed part may cost so much, in seconds.
MORE_S = 15.0

TOML = '[worker]\nconcurrency = 3\n[sites]\nslice = "3s"\n'


def define(orch: Orch, site: Site, name: str = "tree", more: str = "") -> None:
    (orch.home / "sites").mkdir(exist_ok=True)
    (orch.home / f"sites/{name}.toml").write_text(
        f"""
name = "{name}"
start_urls = ["{site.url("/0.html")}"]
allowed_hosts = ["{site.host}"]
allow_private = true
proxies = "never"
rate = {RATE}
burst = 5
concurrency = 8
contact = "mailto:nobody@example.org"
{more}
[[follow]]
[item]
css = "div.item"
[item.fields]
title = {{ css = "h2::text", required = true }}
price = {{ css = "b::text", type = "money" }}
"""
    )


def exported(orch: Orch, name: str = "tree") -> list[str]:
    done = orch("sites", "export", name, "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def state(orch: Orch, name: str = "tree") -> str:
    rows = orch.json("sites", "status", name, "--json")
    return rows[0]["state"] if rows else "none"


def progress(orch: Orch, name: str = "tree") -> int:
    rows = orch.json("sites", "status", name, "--json")
    return int(rows[0]["pages_done"]) if rows else 0


def start(orch: Orch, name: str = "tree") -> None:
    done = orch("sites", "start", name, "--no-wait")
    assert done.returncode == 0, done.stdout + done.stderr


def run_to_the_end(
    orch: Orch, disturb: Callable[[], None] = lambda: None
) -> tuple[float, list[str]]:
    began = time.monotonic()
    start(orch)
    eventually(lambda: progress(orch) > PAGES / 4, 60)
    disturb()
    eventually(lambda: state(orch) not in ("pending", "running", "stopping"), 120)
    took = time.monotonic() - began
    assert state(orch) == "done", orch.json("sites", "status", "--json")
    return took, exported(orch)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(tree(PAGES)) as made:
        yield made


@pytest.fixture(scope="module")
def undisturbed(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, list[str]]:
    with a_home(tmp_path_factory.mktemp("undisturbed") / "home", TOML) as orch:
        define(orch, site)
        orch.up()
        return run_to_the_end(orch)


@pytest.fixture
def up(tmp_path: Path, site: Site) -> Iterator[Orch]:
    with a_home(tmp_path / "home", TOML) as orch:
        define(orch, site)
        orch.up()
        yield orch


def test_an_undisturbed_run_has_every_page_once(
    undisturbed: tuple[float, list[str]],
) -> None:
    lines = undisturbed[1]

    assert len(lines) == len(set(lines)) == 2 * PAGES
    titles = Counter(json.loads(line)["title"] for line in lines)
    assert set(titles.values()) == {1}


@pytest.mark.alone
@pytest.mark.parametrize("victim", ["redis", "worker", "beat", "results", "child", "supervisor"])
def test_killing_changes_nothing_in_the_result(
    up: Orch, undisturbed: tuple[float, list[str]], victim: str
) -> None:
    def kill() -> None:
        if victim == "child":
            pids = family(up.pid("worker"), "none")
        elif victim == "supervisor":
            pids = [int(up.status()["supervisor"]["pid"])]
        else:
            pids = [up.pid(victim)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        if victim == "supervisor":
            up.up()

    took, lines = run_to_the_end(up, kill)

    assert lines == undisturbed[1]
    assert took <= undisturbed[0] + MORE_S


def test_ctrl_c_in_up_stops_the_job_and_resume_does_only_the_rest(
    tmp_path: Path, site: Site, undisturbed: tuple[float, list[str]]
) -> None:
    with a_home(tmp_path / "home", TOML) as orch:
        define(orch, site)
        up = orch.popen("up", start_new_session=True)
        eventually(lambda: orch.status()["services"] and orch.service("beat")["state"] == "ready")
        start(orch)
        eventually(lambda: progress(orch) > PAGES / 4, 60)
        pids = orch.processes()

        os.killpg(up.pid, signal.SIGINT)
        up.communicate(timeout=15)

        assert up.returncode == 130
        assert not [pid for pid in pids if alive(pid)]
        asked_before = site.asked()
        orch.up()
        assert state(orch) == "stopped"
        assert 0 < progress(orch) < PAGES
        time.sleep(1.0)  # nothing may move by itself: there is no state to wait for
        assert site.asked() == asked_before
        done = orch("sites", "resume", "tree", timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert exported(orch) == undisturbed[1]
        again = {path: n for path, n in (site.asked() - asked_before).items() if asked_before[path]}
        # Only what was in flight at the stop may have been asked for twice.
        rest = sum((site.asked() - asked_before).values())
        assert rest < PAGES * 0.85, (rest, len(again))


def test_ctrl_c_in_sites_start_stops_that_job_and_leaves_the_services(up: Orch, site: Site) -> None:
    scraping = up.popen("sites", "start", "tree", start_new_session=True)
    eventually(lambda: progress(up) > PAGES / 8, 60)

    os.killpg(scraping.pid, signal.SIGINT)
    output = scraping.communicate(timeout=20)[0]

    assert scraping.returncode == 130, output
    assert state(up) == "stopped"
    before = site.asked()
    time.sleep(1.0)  # nothing may move by itself: there is no state to wait for
    assert site.asked() == before
    assert {row["state"] for row in up.status()["services"]} == {"ready"}


def test_stop_ends_requests_within_a_second_even_while_they_hang(up: Orch) -> None:
    pages = {f"/{n}.html": Answer("slow", hang=60.0) for n in range(1, 16)}
    links = "".join(f'<a href="/{n}.html">{n}</a>' for n in range(1, 16))
    pages["/0.html"] = Answer(links + '<div class="item"><h2>first</h2></div>')
    with Site(pages) as slow:
        define(up, slow, "slow")
        start(up, "slow")
        eventually(lambda: len(slow.asked()) >= 6)

        began = time.monotonic()
        assert up("sites", "stop", "slow").returncode == 0
        took = time.monotonic() - began
        before = slow.asked()
        assert state(up, "slow") == "stopped"
        assert took < 6.0
        time.sleep(1.0)  # nothing may move by itself: there is no state to wait for
        assert slow.asked() == before
        assert [json.loads(line)["title"] for line in exported(up, "slow")] == ["first"]
