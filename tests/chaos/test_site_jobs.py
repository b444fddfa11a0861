"""Whatever is killed while a site is scraped, the result is that of an undisturbed run."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from orchestrator.core.context import Context
from orchestrator.core.errors import RedisUnavailable
from orchestrator.supervise.ownership import family
from sites.jobs.jobs import SiteJobs
from tests.support.orch import Orch, a_home, alive, eventually, signal_each
from tests.support.row import all_ready, daemon
from tests.support.site_server import Answer, Site, tree

PAGES = 240
RATE = 40
#: For jobs that are stopped in the middle, also by somebody who stands still for some seconds.
UNHURRIED = 20
#: So many pages are in flight at once.
IN_FLIGHT = 8
ENDED = ("done", "partial", "failed", "stopped")
#: A killed part may cost so much, in seconds.
MORE_S = 15.0

TOML = '[worker]\nconcurrency = 3\n[sites]\nslice = "3s"\n'


def define(
    orch: Orch,
    site: Site,
    name: str = "tree",
    more: str = "",
    in_flight: int = IN_FLIGHT,
    rate: int = RATE,
) -> None:
    (orch.home / "sites").mkdir(exist_ok=True)
    (orch.home / f"sites/{name}.toml").write_text(
        f"""
name = "{name}"
start_urls = ["{site.url("/0.html")}"]
allowed_hosts = ["{site.host}"]
allow_private = true
proxies = "never"
rate = {rate}
burst = 5
concurrency = {in_flight}
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


def row(orch: Orch, name: str = "tree") -> dict[str, Any]:
    """What `orch sites status` would show; nothing while there is no job, or no Redis."""
    with suppress(RedisUnavailable):
        context = Context.load(orch.home)
        with closing(context.redis):
            for found in SiteJobs(context, Celery).status([name]):
                return found
    return {"state": "none", "pages_done": 0}


def state(orch: Orch, name: str = "tree") -> str:
    return str(row(orch, name)["state"])


def progress(orch: Orch, name: str = "tree") -> int:
    return int(row(orch, name)["pages_done"])


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
    eventually(lambda: state(orch) in ENDED, 120)
    took = time.monotonic() - began
    assert state(orch) == "done", orch.json("sites", "status", "--json")
    return took, exported(orch)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(tree(PAGES)) as made:
        yield made


@pytest.fixture(scope="module")
def shared(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orch]:
    """For jobs that end: whatever is killed is there again for the next one."""
    with a_home(tmp_path_factory.mktemp("shared") / "home", TOML) as orch:
        define(orch, site)
        orch.up()
        yield orch


@pytest.fixture(scope="module")
def undisturbed(shared: Orch) -> tuple[float, list[str]]:
    return run_to_the_end(shared)


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


@pytest.mark.pair
@pytest.mark.parametrize("victim", ["redis", "worker", "beat", "results", "child", "supervisor"])
def test_killing_changes_nothing_in_the_result(
    shared: Orch, site: Site, undisturbed: tuple[float, list[str]], victim: str
) -> None:
    before = site.asked()

    def kill() -> None:
        if victim == "child":
            pids = family(shared.pid("worker"), "none")
        elif victim == "supervisor":
            pids = [daemon(shared)]
        else:
            pids = [shared.pid(victim)]
        signal_each(pids, signal.SIGKILL)
        if victim == "supervisor":
            shared.up()

    took, lines = run_to_the_end(shared, kill)

    assert lines == undisturbed[1]
    assert took <= undisturbed[0] + MORE_S
    asked = site.asked() - before
    assert asked.pop("/robots.txt", 0) <= 2  # known by then, or asked for anew
    # A disk that is busy keeps Redis from appending what it has answered, for two seconds at most.
    assert asked.total() - len(asked) <= IN_FLIGHT + (2 * RATE if victim == "redis" else 0)
    eventually(lambda: all_ready(shared), 40)


def test_ctrl_c_in_up_stops_the_job_and_resume_does_only_the_rest(
    tmp_path: Path, site: Site, undisturbed: tuple[float, list[str]]
) -> None:
    with a_home(tmp_path / "home", TOML) as orch:
        define(orch, site, rate=UNHURRIED)
        up = orch.popen("up", start_new_session=True)
        eventually(lambda: orch.status()["services"] and orch.service("beat")["state"] == "ready")
        start(orch)
        eventually(lambda: progress(orch) > PAGES / 4, 60)
        pids = orch.processes()

        os.killpg(up.pid, signal.SIGINT)
        up.communicate(timeout=60)

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
    define(up, site, rate=UNHURRIED)
    scraping = up.popen("sites", "start", "tree", start_new_session=True)
    eventually(lambda: progress(up) > PAGES / 8, 60)

    os.killpg(scraping.pid, signal.SIGINT)
    output = scraping.communicate(timeout=60)[0]

    assert scraping.returncode == 130, output
    assert state(up) == "stopped"
    before = site.asked()
    time.sleep(1.0)  # nothing may move by itself: there is no state to wait for
    assert site.asked() == before
    eventually(lambda: all_ready(up))


def test_stop_ends_requests_within_a_second_even_while_they_hang(up: Orch) -> None:
    pages = {f"/{n}.html": Answer("slow", hang=60.0) for n in range(1, 16)}
    links = "".join(f'<a href="/{n}.html">{n}</a>' for n in range(1, 16))
    pages["/0.html"] = Answer(links + '<div class="item"><h2>first</h2></div>')
    with Site(pages) as slow:
        define(up, slow, "slow", in_flight=16)
        start(up, "slow")
        eventually(lambda: len(slow.asked()) == 2 + 15)  # robots.txt and the first page are through

        stop = up.popen("sites", "stop", "slow")
        eventually(lambda: state(up, "slow") != "running")
        began = time.monotonic()  # what the command needs to start is not what this is about
        eventually(lambda: state(up, "slow") == "stopped")
        took = time.monotonic() - began
        assert stop.wait(30) == 0
        before = slow.asked()
        assert took < 6.0
        time.sleep(1.0)  # nothing may move by itself: there is no state to wait for
        assert slow.asked() == before
        assert [json.loads(line)["title"] for line in exported(up, "slow")] == ["first"]
