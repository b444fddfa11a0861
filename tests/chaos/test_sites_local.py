"""kill -9 of whoever crawls without Redis: the result is that of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sites.local.crawl import LocalCrawl
from sites.local.frontier import PAGE_TTL_S, SqliteFrontier
from sites.local.place import LocalPlace
from sites.local.record import LocalRecord
from sites.local.results import LocalResults
from sites.local.run import LocalRun
from tests.support.local_home import LocalHome, finish, kill
from tests.support.orch import eventually
from tests.support.site_server import Site, tree

PAGES = 200
IN_FLIGHT = 8


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(tree(PAGES)) as server:
        yield server


@pytest.fixture(scope="module")
def plain(site: Site, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What an undisturbed run gives."""
    home = LocalHome(tmp_path_factory.mktemp("plain"), site)
    finish(home.start())
    assert home.row()["state"] == "done"
    items = home.items()
    assert len(items) == len(set(items)) == 2 * PAGES
    return items


@pytest.fixture
def home(tmp_path: Path, site: Site, plain: list[str]) -> LocalHome:
    del plain  # its requests are not counted
    site.hits.clear()
    return LocalHome(tmp_path, site)


def asked(site: Site, goal: int, run: LocalRun) -> None:
    """Wait until the site was asked so often, or there is nothing more to ask for."""
    eventually(lambda: len(site.hits) >= goal or run.wait(0), 60)


@pytest.mark.parametrize("seed", range(4))
def test_whenever_it_is_killed_the_rest_is_done_once(
    home: LocalHome, site: Site, plain: list[str], seed: int
) -> None:
    draw = random.Random(seed)
    run, kills = home.start(), 0
    for _ in range(4):
        asked(site, len(site.hits) + draw.randrange(PAGES // 3), run)
        time.sleep(draw.random() * 0.02)  # at any moment between a request and the next
        kills += not run.wait(0)
        kill(run)
        row = home.row()
        assert row["state"] == "failed" or (row["state"] == "done" and home.items() == plain)
        before, resumed_at = len(site.hits), time.monotonic()
        run = home.resume()
        asked(site, before + 1, run)
        # The leases of the dead are not waited for.
        assert time.monotonic() - resumed_at < PAGE_TTL_S / 2
    finish(run)

    assert home.row()["state"] == "done"
    assert home.items() == plain
    assert home.row()["items"] == len(plain)
    again = sum(site.asked().values()) - PAGES
    assert again <= kills * IN_FLIGHT


# in the child: the parent has made the record before it forks
POINTS: list[tuple[type, str, int]] = [
    *[(SqliteFrontier, "open", 1), (SqliteFrontier, "_end", 1), (SqliteFrontier, "_end", 5)],
    *[(LocalResults, "put", 1), (LocalResults, "put", 5), (LocalResults, "_sync", 5)],
    *[(LocalResults, "stand", 1), (LocalResults, "stand", 2)],
    *[(LocalRecord, "move", 1), (LocalRecord, "move", 2), (LocalRecord, "save", 2)],
    *[(LocalCrawl, "_finish", 1), (LocalCrawl, "_tidy", 1)],
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("owner", "step", "number"), POINTS, ids=[f"{p[0].__name__}.{p[1]}-{p[2]}" for p in POINTS]
)
def test_whatever_step_it_dies_at_the_rest_is_done(
    tmp_path: Path, owner: type, step: str, number: int, when: str
) -> None:
    with Site(tree(20)) as site, pytest.MonkeyPatch.context() as patch:
        home = LocalHome(tmp_path, site, concurrency=2)
        parent = os.getpid()
        patch.setattr(owner, step, _deadly(getattr(owner, step), parent, number, when))
        run = home.start()
        finish(run)
        assert "was killed by SIGKILL" in run.broke
        row = home.row()
        assert row["state"] == "failed" or (row["state"] == "done" and len(home.items()) == 40)
        patch.undo()

        finish(home.resume())

        assert home.row()["state"] == "done"
        assert len(set(home.items())) == len(home.items()) == home.row()["items"] == 40
        assert sum(site.asked().values()) - 20 <= 2


def _deadly(real: Callable[..., Any], parent: int, number: int, when: str) -> Callable[..., Any]:
    """The step, which kills a child of ours in its call `number`."""
    calls = 0

    def step(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        if os.getpid() == parent:
            return real(*args, **kwargs)
        calls += 1
        if calls == number and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*args, **kwargs)
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    return step


def test_one_that_was_killed_by_a_stop_has_stopped_whoever_sees_it_first(
    home: LocalHome, site: Site
) -> None:
    home.define(rate=0.5, burst=10)
    run = home.start()
    asked(site, 10, run)
    os.kill(run.pid, signal.SIGSTOP)
    job = home.row()["job_id"]

    LocalPlace(home.context.home, "shop").stop.write_text(job)
    kill(run)
    home.jobs.settle("shop", job, "killed by SIGKILL", stopped=False)  # as who follows it does

    assert home.row()["state"] == "stopped"


def test_one_that_hangs_is_stopped_all_the_same(home: LocalHome, site: Site) -> None:
    home.define(rate=0.5, burst=10)  # so that it cannot end before
    run = home.start()
    asked(site, 10, run)
    os.kill(run.pid, signal.SIGSTOP)

    try:
        job = home.jobs.stop("shop", timeout=0.3)
        assert job.state == home.row()["state"] == "stopped"
    finally:
        kill(run)
    home.define()
    finish(home.resume())
    assert home.row()["state"] == "done"


def test_of_several_that_start_at_once_one_crawls(tmp_path: Path) -> None:
    """Each in a process of its own, as commands are."""
    pages = tree(20)
    with Site(pages | {"/0.html": replace(pages["/0.html"], hang=60)}) as site:
        home = LocalHome(tmp_path, site)
        file = home.context.home.path / "sites/shop.toml"
        file.write_text(file.read_text().replace('"5s"', '"90s"'))
        children = [_starts(home, tmp_path / f"tried-{number}") for number in range(5)]
        eventually(lambda: len([*tmp_path.glob("tried-*")]) == len(children), 60)
        site.released.set()  # whoever began after the end would make a job of its own
        assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)

        assert home.row()["state"] == "done"
        assert set(site.asked().values()) == {1}


def _starts(home: LocalHome, tried: Path) -> int:
    """Fork off a process that starts the site, and makes a file when it crawls, or knows who does."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        run = home.start()
        tried.touch()
        finish(run)
        code = 0
    finally:
        os._exit(code)
