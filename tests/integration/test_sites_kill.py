"""kill -9 in the middle of a job: the result is that of an undisturbed run."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.redis import Redis
from sites.move import JobRef
from tests.support.redis_server import RedisServer
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Site, tree

PAGES = 120


@pytest.fixture
def home(tmp_path: Path, redis_server: RedisServer, real_redis: Redis) -> SiteHome:
    del real_redis  # the server is empty
    return SiteHome(tmp_path, redis_server.url)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(tree(PAGES, hang=0.02)) as server:
        yield server


def undisturbed(home: SiteHome, site: Site) -> list[str]:
    ref = home.create(shop(site))
    home.work(ref)
    site.hits.clear()
    return home.items(ref)


def child(home: SiteHome) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.shard_process", str(home.context.home.path)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def ended(home: SiteHome, ref: JobRef) -> bool:
    return not home.job(ref).active


@pytest.mark.parametrize("seed", [1])
def test_a_job_whose_workers_are_killed_ends_like_any_other(
    home: SiteHome, site: Site, seed: int
) -> None:
    plain = undisturbed(home, site)
    ref = home.create(shop(site), send=False)
    draw = random.Random(seed)
    kills = 2
    for _ in range(kills):
        before = home.stats(ref).done
        process = child(home)
        goal = before + draw.randrange(5, 30)
        until(lambda goal=goal: home.stats(ref).done >= goal, timeout=30)
        process.kill()
        process.wait()
        assert not ended(home, ref)

    process = child(home)
    process.wait(60)

    assert home.job(ref).state == "done"
    assert home.items(ref) == plain
    asked = site.asked()
    assert sum(asked.values()) - len(asked) <= kills * 8  # at most what was in flight


def test_the_pages_of_a_dead_shard_come_back_without_waiting_for_more_than_its_leases(
    home: SiteHome, site: Site
) -> None:
    ref = home.create(shop(site), send=False)
    process = child(home)
    until(lambda: home.stats(ref).done >= 20, timeout=30)
    process.kill()
    process.wait()
    killed_at = time.monotonic()

    child(home).wait(60)

    assert home.job(ref).state == "done"
    assert time.monotonic() - killed_at < 12


def test_a_job_outlives_its_redis(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server, Site(tree(PAGES, hang=0.02)) as site:
        home = SiteHome(tmp_path, server.url)
        plain = undisturbed(home, site)
        ref = home.create(shop(site))
        crawl = Background(home.shard)
        for goal in (20, 60):
            until(lambda goal=goal: home.stats(ref).done >= goal)
            server.kill()
            time.sleep(0.3)  # for so long there is no server
            server.start()
        crawl.join()

        job = home.work(ref)

        assert job.state == "done"
        assert home.items(ref) == plain


def test_a_redis_that_is_away_for_longer_than_all_leases_costs_no_page(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with RedisServer(tmp_path / "redis") as server, Site(tree(PAGES, hang=0.02)) as site:
        home = SiteHome(tmp_path, server.url)
        plain = undisturbed(home, site)
        ref = home.create(shop(site))
        crawl = Background(home.shard)
        until(lambda: home.stats(ref).done >= 20)
        server.kill()
        time.sleep(9)  # longer than the leases of pages and shard
        server.start()
        crawl.join(30)

        assert home.work(ref).state == "done"
        assert home.items(ref) == plain


def test_a_full_redis_pauses_the_job_and_nothing_is_lost(home: SiteHome, site: Site) -> None:
    plain = undisturbed(home, site)
    ref = home.create(shop(site))
    crawl = Background(home.shard)
    until(lambda: home.stats(ref).done >= 20)
    home.redis.config_set("maxmemory", "1")
    until(lambda: len(site.hits) > 20)
    try:
        time.sleep(1)  # nothing can be written for so long
        done = home.stats(ref).done
        assert done < PAGES
    finally:
        home.redis.config_set("maxmemory", "0")
    crawl.join(30)

    assert home.work(ref).state == "done"
    assert home.items(ref) == plain
