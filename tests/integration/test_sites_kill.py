"""kill -9 in the middle of a job: the result is that of an undisturbed run."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from sites.job.ref import JobRef
from tests.support.redis_server import RedisServer
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Answer, Site, tree

PAGES = 120


#: More requests than any job makes.
ALL = 100_000


class Bounded(Site):
    """Answers so many requests as there are `passes`; others wait."""

    passes = threading.Semaphore(ALL)

    def answer(self, path: str, peer: str, headers: Mapping[str, str]) -> Answer:
        passes = self.passes
        answer = super().answer(path, peer, headers)
        passes.acquire(timeout=60)
        return answer


@pytest.fixture
def site() -> Iterator[Bounded]:
    with Bounded(tree(PAGES, hang=0.02)) as server:
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
    home: SiteHome, site: Bounded, seed: int
) -> None:
    plain = undisturbed(home, site)
    ref = home.create(shop(site), send=False)
    draw = random.Random(seed)
    kills = 2
    for _ in range(kills):
        before = home.stats(ref).done
        more = draw.randrange(5, 30)
        site.passes = threading.Semaphore(more + 20)  # however late it is killed: it has not ended
        process = child(home)
        until(lambda goal=before + more: home.stats(ref).done >= goal)
        process.kill()
        process.wait()
        assert not ended(home, ref)

    site.passes = threading.Semaphore(ALL)
    process = child(home)
    process.wait(60)

    assert home.job(ref).state == "done"
    assert home.items(ref) == plain
    asked = site.asked()
    assert sum(asked.values()) - len(asked) <= kills * 8  # at most what was in flight


def test_the_pages_of_a_dead_shard_come_back_without_waiting_for_more_than_its_leases(
    home: SiteHome, site: Bounded
) -> None:
    home.create(shop(site), send=False)
    began = time.monotonic()
    child(home).wait(60)
    plain = time.monotonic() - began
    ref = home.create(shop(site), send=False)
    site.passes = threading.Semaphore(PAGES // 2)
    process = child(home)
    until(lambda: home.stats(ref).done >= 20)
    process.kill()
    process.wait()
    killed_at = time.monotonic()
    site.passes = threading.Semaphore(ALL)

    child(home).wait(60)

    assert home.job(ref).state == "done"
    assert time.monotonic() - killed_at < 12 + 3 * plain


def test_a_job_outlives_its_redis(tmp_path: Path) -> None:
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


def test_a_full_redis_pauses_the_job_and_nothing_is_lost(home: SiteHome, site: Bounded) -> None:
    plain = undisturbed(home, site)
    passes = site.passes = threading.Semaphore(
        PAGES // 2
    )  # however late it is full: there is a rest
    ref = home.create(shop(site, limits={"timeout": "60s"}))
    crawl = Background(home.shard)
    until(lambda: home.stats(ref).done >= 20)
    home.redis.config_set("maxmemory", "1")
    try:
        passes.release(PAGES // 4)
        time.sleep(1)  # for so long pages come that cannot be written
        assert home.stats(ref).done < PAGES
    finally:
        home.redis.config_set("maxmemory", "0")
        passes.release(ALL)
    crawl.join()

    assert home.work(ref).state == "done"
    assert home.items(ref) == plain
