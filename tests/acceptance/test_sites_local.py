"""`orch sites … --local` as people type it: no Redis, no worker, and whatever is killed goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.signals import ECHO_S
from orchestrator.cli.sites_local import STOP_S
from orchestrator.core.home import Home
from sites.local.status import rows
from tests.support.orch import Orch, alive, eventually
from tests.support.site_server import Answer, Site, tree

SHOP = """
start_urls = ["{url}"]
allow_private = true
rate = "{rate}/s"
burst = {burst}
adaptive = false
concurrency = 4
robots = false
[limits]
timeout = "20s"
{limits}
[[follow]]
css = "a"
[item]
css = "div.item"
[item.fields]
title = "h2::text"
"""


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(tree(60)) as server:
        yield server


@pytest.fixture
def orch(tmp_path: Path) -> Orch:
    found = Orch(tmp_path / "home", "")
    (found.home / "sites").mkdir(mode=0o700)
    return found


def define(orch: Orch, site: Site, name: str = "shop", *, first: int = 0, limits: str = "") -> None:
    """With `first`, only so many pages are asked for within the time that a test takes."""
    pace = {"rate": 0.5 if first else 2000, "burst": first or 5}
    text = SHOP.format(url=site.url("/0.html"), limits=limits, **pace)
    (orch.home / "sites" / f"{name}.toml").write_text(text)


def row(orch: Orch, name: str = "shop") -> dict[str, Any]:
    (found,) = [row for row in orch.json("sites", "status", "--json") if row["site"] == name]
    return dict(found)


def titles(orch: Orch, name: str = "shop") -> list[str]:
    done = orch("sites", "export", name)
    assert done.returncode == 0, done.stderr
    return sorted(json.loads(line)["title"] for line in done.stdout.splitlines())


def expected(pages: int = 60) -> list[str]:
    return sorted(f"item {number}-{part}" for number in range(pages) for part in range(2))


def begun(orch: Orch, site: Site, *words: str, after: int = 10) -> subprocess.Popen[str]:
    """`orch sites …`, once the site was asked for so many pages more."""
    before = sum(site.asked().values())
    process = orch.popen("sites", *words)
    eventually(lambda: sum(site.asked().values()) >= before + after, 60)
    return process


def crawler(orch: Orch, name: str = "shop") -> int:
    """The process that has the lock of a site."""
    return int(json.loads((orch.home / f"data/run/sites/{name}.lock").read_text())["pid"])


def killed(orch: Orch, process: subprocess.Popen[str]) -> int:
    """Kill the command and the one that crawls, in one go; return the latter."""
    child = crawler(orch)
    for pid in (process.pid, child):  # the child would see that it is alone, and stop
        os.kill(pid, signal.SIGSTOP)
    for pid in (child, process.pid):
        os.kill(pid, signal.SIGKILL)
    ended(process)
    eventually(lambda: not alive(child))
    return child


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    text, _ = process.communicate(timeout=60)
    return process.returncode, text


def soon(orch: Orch) -> float:
    """What a stop takes at most, in seconds: one that fails takes longer, unless the machine is busy."""
    began = time.monotonic()
    row(orch)
    return max(STOP_S, 5 * (time.monotonic() - began))


def test_a_site_is_crawled_whole_with_nothing_up(orch: Orch, site: Site) -> None:
    define(orch, site)

    refused = orch("sites", "start", "shop")
    done = orch("sites", "start", "shop", "--local")

    assert refused.returncode == 3
    assert "`orch sites start shop --local` crawls without services" in refused.stderr
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("shop: done, 60/60 pages, 120 items")
    assert set(site.asked().values()) == {1}
    assert titles(orch) == expected()
    found = row(orch)
    assert (found["engine"], found["state"], found["pages_done"], found["items"]) == (
        *("local", "done"),
        *(60, 120),
    )
    assert orch.json("sites", "failures", "shop", "--json") == []
    assert orch.json("sites", "show", "shop", "--json")["job"] == found
    # What has ended is not gone on with.
    assert orch("sites", "resume", "shop", "--local").returncode == 0
    assert set(site.asked().values()) == {1}
    assert orch("sites", "start", "shop", "--local", "--no-wait").returncode == 2


def test_pages_that_fail_are_told_and_the_job_is_partial(orch: Orch, site: Site) -> None:
    site.pages["/7.html"] = Answer(status=500)
    site.pages["/8.html"] = Answer(status=404)
    define(orch, site, limits="attempts = 2")

    done = orch("sites", "start", "shop", "--local")

    assert done.returncode == 6, done.stderr
    assert site.asked()["/7.html"] == 2
    (failed,) = orch.json("sites", "failures", "shop", "--json")
    assert (failed["url"], failed["kind"], failed["attempts"]) == (
        *(site.url("/7.html"), "http_5xx"),
        2,
    )
    found = row(orch)
    assert (found["state"], found["pages_failed"], found["pages_skipped"]) == ("partial", 1, 1)
    assert found["error"] == f"http_5xx: status 500 ({site.url('/7.html')})"
    retry = ("sites", "retry-failed", "shop", "--local")
    assert orch(*retry, "--json").returncode == 2
    told = orch.json(*retry, "--dry-run", "--json", "--class", "http_5xx", "--class", "gone")
    assert (told["pages"], told["classes"]) == (2, {"http_5xx": 1, "gone": 1})
    # Without --local it would be the workers' turn, who know nothing of it.
    assert "`orch sites retry-failed shop --local`" in orch(*retry[:-1]).stderr

    site.pages["/7.html"] = Answer('<div class="item"><h2>late</h2></div>')
    again = orch(*retry)

    assert again.returncode == 0, again.stderr
    assert "fetching again: 1 page (1 http_5xx)" in again.stderr
    assert sum(site.asked().values()) == 62
    assert "late" in titles(orch)
    found = row(orch)
    assert (found["state"], found["pages_done"], found["error"]) == ("done", 59, "")


def test_no_more_pages_are_known_than_the_site_file_allows(orch: Orch, site: Site) -> None:
    define(orch, site, limits="pages = 23")

    assert orch("sites", "start", "shop", "--local").returncode == 6

    found = row(orch)
    assert (found["state"], found["reason"]) == ("partial", "limits.pages = 23 was reached")
    assert sum(site.asked().values()) == 23


def test_a_job_that_stands_still_is_stalled_and_without_time_it_ends_in_part(
    orch: Orch, site: Site
) -> None:
    define(orch, site, first=5)
    file = orch.home / "sites/shop.toml"
    file.write_text('stall = "1s"\n' + file.read_text().replace("0.5/s", "2/m"))
    process = begun(orch, site, "start", "shop", "--local", after=5)

    def stalled() -> str:
        (now,) = rows(Home(orch.home))
        return str(now["reason"]) if now["health"] == "stalled" else ""

    assert eventually(stalled, 60).startswith("no page has ended for")
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    assert row(orch)["pages_done"] <= 5

    file.write_text(file.read_text().replace("[limits]", '[limits]\ntime = "1s"'))
    assert orch("sites", "resume", "shop", "--local").returncode == 6
    found = row(orch)
    assert (found["state"], found["reason"]) == ("partial", "limits.time = 1.0 s was reached")
    assert found["pages_done"] < found["pages_known"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it(orch: Orch, site: Site, number: signal.Signals, code: int) -> None:
    define(orch, site, first=20)
    process = begun(orch, site, "start", "shop", "--local", after=20)
    assert row(orch)["state"] == "running"
    most = soon(orch)

    stopped_at = time.monotonic()
    process.send_signal(number)
    returned, text = ended(process)
    took = time.monotonic() - stopped_at

    assert returned == code, text
    assert took < most
    # Its end takes longer than to hear of the stop, however busy the machine is.
    assert max(site.times()) - stopped_at < max(1, took / 2)
    assert "`orch sites resume shop --local` goes on" in text
    assert row(orch)["state"] == "stopped"


def test_a_stop_is_quick_while_requests_hang(orch: Orch, site: Site) -> None:
    for number in range(1, 5):
        site.pages[f"/{number}.html"] = Answer("late", hang=60)
    define(orch, site)
    process = begun(orch, site, "start", "shop", "--local", after=5)
    most = soon(orch)

    stopped_at = time.monotonic()
    process.send_signal(signal.SIGINT)

    assert ended(process)[0] == 130
    assert time.monotonic() - stopped_at < most
    assert row(orch)["state"] == "stopped"


def test_who_is_killed_is_seen_and_only_what_is_left_is_done(orch: Orch, site: Site) -> None:
    define(orch, site, first=20)
    process = begun(orch, site, "start", "shop", "--local", after=20)

    child = killed(orch, process)

    found = row(orch)
    assert found["state"] == "failed"
    assert f"process {child} is gone" in found["reason"]
    assert "`orch sites resume shop --local` goes on" in found["reason"]
    before = site.asked()
    define(orch, site)
    resumed = orch("sites", "resume", "shop", "--local")
    assert resumed.returncode == 0, resumed.stderr
    again = [path for path, count in site.asked().items() if count > 1]
    assert len(again) <= 4 + 1  # in flight, or between its result and its ack
    assert set(again) <= set(before)
    assert titles(orch) == expected()
    assert row(orch)["job_id"] == found["job_id"]
    assert row(orch)["items"] == 120


def test_a_crawling_process_that_dies_is_told_with_what_killed_it(orch: Orch, site: Site) -> None:
    site.pages["/1.html"] = Answer(status=500)
    define(orch, site, first=20, limits="attempts = 1")
    process = begun(orch, site, "start", "shop", "--local", after=20)
    eventually(lambda: row(orch)["error"], 60)
    most = soon(orch)

    os.kill(crawler(orch), signal.SIGKILL)
    killed_at = time.monotonic()
    returned, text = ended(process)

    assert time.monotonic() - killed_at < most
    assert returned == 1
    assert "was killed by SIGKILL: by hand, or out of memory; its last error was http_5xx" in text
    assert row(orch)["state"] == "failed"
    assert "was killed by SIGKILL" in row(orch)["reason"]


def test_a_crawl_whose_command_is_killed_stops(orch: Orch, site: Site) -> None:
    define(orch, site, first=20)
    process = begun(orch, site, "start", "shop", "--local", after=20)
    child = crawler(orch)

    process.kill()
    ended(process)

    eventually(lambda: not alive(child))
    found = row(orch)
    told = ("stopped", "the command that crawled it was killed")
    assert (found["state"], found["reason"]) == told


def test_a_second_ctrl_c_ends_it_at_once_and_the_rest_is_resumed(orch: Orch, site: Site) -> None:
    for number in range(1, 5):
        site.pages[f"/{number}.html"] = Answer("late", hang=60)
    define(orch, site)
    process = begun(orch, site, "start", "shop", "--local", after=5)
    child = crawler(orch)
    os.kill(child, signal.SIGSTOP)  # so that it cannot stop by itself

    process.send_signal(signal.SIGINT)
    assert process.stdout
    assert any("stopping; once more" in line for line in process.stdout)
    told_at = time.monotonic()
    time.sleep(ECHO_S + 0.1)  # sooner it would be taken for an echo of the first
    process.send_signal(signal.SIGINT)
    eventually(lambda: not alive(child))
    took = time.monotonic() - told_at

    assert ended(process)[0] == 130
    assert took < STOP_S - 0.5  # then it would have been killed anyway
    assert row(orch)["state"] == "stopped"


def test_a_start_after_a_kill_goes_on_and_makes_no_new_job(orch: Orch, site: Site) -> None:
    define(orch, site, first=20)
    process = begun(orch, site, "start", "shop", "--local", after=20)
    killed(orch, process)
    job = row(orch)["job_id"]

    define(orch, site)
    assert orch("sites", "start", "shop", "--local").returncode == 0

    assert row(orch)["job_id"] == job
    assert sum(site.asked().values()) <= 60 + 5


def test_one_process_at_a_time_and_others_can_stop_it(orch: Orch, site: Site) -> None:
    define(orch, site, first=20)
    process = begun(orch, site, "start", "shop", "--local", after=20)
    job = row(orch)["job_id"]

    second = orch.popen("sites", "start", "shop", "--local")
    assert second.stdout
    told = f"shop: process {crawler(orch)} is crawling it already; that is followed\n"
    assert second.stdout.readline() == told
    assert row(orch)["state"] == "running"
    retried = orch("sites", "retry-failed", "shop", "--local", "--class", "timeout")
    assert (retried.returncode, retried.stdout) == (
        0,
        f"shop: job {job} has no page to fetch again\n",
    )

    stopped = orch("sites", "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "shop: stopped\n")
    for each in (process, second):
        returned, text = ended(each)
        assert returned == 6, text
    assert row(orch)["reason"] == "stopped on request"


def test_a_large_site_does_not_keep_a_small_one_waiting(orch: Orch, site: Site) -> None:
    with Site(tree(10)) as other:
        define(orch, site, "large", first=5)
        define(orch, other, "small")
        process = orch.popen("sites", "start", "large", "small", "--local")
        eventually((orch.home / "data/sites/small/job.json").exists, 60)
        eventually(lambda: row(orch, "small")["state"] == "done", 60)
        assert row(orch, "large")["state"] == "running"
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 130
    assert (row(orch, "small")["state"], row(orch, "large")["state"]) == ("done", "stopped")


def test_a_stop_of_what_was_killed_settles_it(orch: Orch, site: Site) -> None:
    define(orch, site, first=20)
    process = begun(orch, site, "start", "shop", "--local", after=20)
    killed(orch, process)

    assert orch("sites", "stop", "shop").stdout == "shop: stopped\n"
    assert row(orch)["state"] == "stopped"


def test_a_site_that_requires_proxies_is_never_asked_directly(orch: Orch, site: Site) -> None:
    define(orch, site)
    file = orch.home / "sites" / "shop.toml"
    file.write_text('proxies = "require"\n' + file.read_text())

    refused = orch("sites", "start", "shop", "--local")

    assert refused.returncode == 3
    assert "requires proxies" in refused.stderr
    assert not site.hits
