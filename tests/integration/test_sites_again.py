"""Failed pages fetched again: just these, by a job that goes on in the same step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from orchestrator.core.errors import ConfigError, NotRunning, OrchError
from orchestrator.core.keys import RETENTION_S
from orchestrator.nodes.registry import Nodes
from orchestrator.queue.redis import RedisQueue
from sites.crawl.work import new_page
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.jobs.jobs import SiteJobs
from sites.results.retryable import Page
from sites.shared.again import Again
from tests.integration.test_sites_jobs import Sender, write
from tests.support.site_home import SiteHome
from tests.support.site_server import Answer, Site, tree


@pytest.fixture
def jobs(home: SiteHome, site: Site) -> SiteJobs:
    write(home, site)
    return SiteJobs(home.context, lambda: Sender(home))  # type: ignore[arg-type]


@pytest.fixture
def ended(jobs: SiteJobs, home: SiteHome, site: Site) -> JobRef:
    """A job of 60 pages of which one was refused, one was gone and one was lost with its shards."""
    site.pages |= {"/7.html": Answer(status=401), "/8.html": Answer(status=404)}
    ref = jobs.start("shop").ref
    home.topup.run()
    lose(home, ref, site.url("/59.html"))
    assert home.work(ref).state == "partial"
    home.drain()
    site.pages |= tree(60)
    return ref


def lose(home: SiteHome, ref: JobRef, url: str) -> None:
    """A page whose lease ran out for the last time."""
    keys = home.keys.frontier(ref.site, ref.id)
    RedisQueue(home.redis, keys).enqueue([new_page(url, 2)])
    home.redis.hset(keys.attempts, url, 5)
    home.redis.zrem(keys.ready, url)
    home.redis.zadd(keys.leased, {url: 1})


def test_what_failed_is_fetched_again_and_nothing_else(
    jobs: SiteJobs, home: SiteHome, site: Site, ended: JobRef
) -> None:
    before = site.asked()

    job, counts = jobs.retry_failed("shop")

    assert (job.ref, job.state, job.error) == (ended, "pending", "")
    assert counts == {"http_4xx": 1, "lost": 1}
    assert home.work(ended).state == "done"
    assert site.asked() - before == {"/7.html": 1, "/59.html": 1}
    assert len(home.items(ended)) == len(set(home.items(ended))) == 59 * 2
    assert home.job(ended).items == 59 * 2
    assert jobs.failures("shop") == []
    stats = home.stats(ended)
    assert (stats.done, stats.skipped, stats.error, stats.total) == (59, 1, 0, 60)


def test_with_a_class_only_those_also_if_they_were_skipped(
    jobs: SiteJobs, home: SiteHome, site: Site, ended: JobRef
) -> None:
    assert [row["url"] for row in jobs.failures("shop", None, ["gone"])] == [site.url("/8.html")]
    before = site.asked()

    assert jobs.retry_failed("shop", ["gone"])[1] == {"gone": 1}

    assert home.work(ended).state == "partial"
    assert site.asked() - before == {"/8.html": 1}
    home.drain()
    assert jobs.retry_failed("shop", ["lost", "timeout"])[1] == {"lost": 1}
    with pytest.raises(ConfigError, match="--class typo: there are dns"):
        jobs.retry_failed("shop", ["typo"])


def test_a_dry_run_changes_nothing(jobs: SiteJobs, home: SiteHome, ended: JobRef) -> None:
    # What ends by itself within a minute may do so meanwhile.
    kept = [key for key in home.redis.keys("*") if not 0 <= home.redis.ttl(key) < 60]
    keys = {key: home.redis.dump(key) for key in kept if "node" not in str(key)}
    assert home.keys.job(ended.site, ended.id, "record") in keys

    job, counts = jobs.retry_failed("shop", dry_run=True)

    assert (job.state, counts.total()) == ("partial", 2)
    assert {key: home.redis.dump(key) for key in keys} == keys


def test_a_page_is_queued_once_however_often_it_is_asked_for(
    jobs: SiteJobs, home: SiteHome, ended: JobRef
) -> None:
    assert jobs.retry_failed("shop")[1].total() == 2

    assert jobs.retry_failed("shop")[1].total() == 0
    assert home.stats(ended).queued == 2
    assert home.work(ended).state == "done"
    home.drain()
    assert jobs.retry_failed("shop")[1].total() == 0
    assert home.job(ended).state == "done"


def test_attempts_begin_anew_and_links_are_followed_as_deep_as_before(
    jobs: SiteJobs, home: SiteHome, site: Site, ended: JobRef
) -> None:
    jobs.retry_failed("shop")
    queue = RedisQueue(home.redis, home.keys.frontier("shop", ended.id))

    leases = {lease.id: lease for lease in queue.lease(5, 60.0)}

    assert {lease.attempt for lease in leases.values()} == {1}
    assert leases[site.url("/7.html")].payload == '{"depth": 1}'
    assert leases[site.url("/59.html")].payload == '{"depth": 2}'


def test_a_job_that_holds_work_again_never_expires(
    jobs: SiteJobs, home: SiteHome, ended: JobRef
) -> None:
    def ttls() -> set[int]:
        kept = [
            *home.keys.frontier("shop", ended.id).all(),
            home.keys.job("shop", ended.id, "record"),
        ]
        return {home.redis.ttl(key) for key in kept if home.redis.exists(key)}

    home.topup.run()
    assert all(0 < ttl <= RETENTION_S for ttl in ttls())

    jobs.retry_failed("shop")
    assert ttls() == {-1}
    home.topup._retire(ended)  # by somebody who had looked before
    assert ttls() == {-1}
    assert home.records.active() == [ended]
    assert home.records.ended() == []

    home.work(ended)
    home.drain()
    home.topup.run()
    assert all(0 < ttl <= RETENTION_S for ttl in ttls())


def test_whoever_had_seen_the_job_empty_does_not_end_it(
    jobs: SiteJobs, home: SiteHome, ended: JobRef
) -> None:
    jobs.retry_failed("shop")

    assert not home.records.move(ended, JobState.PARTIAL)  # decided before
    assert home.job(ended).state == "pending"


def test_a_running_job_takes_its_failed_pages_back(
    jobs: SiteJobs, home: SiteHome, site: Site
) -> None:
    ref = jobs.start("shop").ref
    queue = RedisQueue(home.redis, home.keys.frontier("shop", ref.id))
    queue.enqueue([new_page(site.url("/1.html"), 1)])
    failed, held = queue.lease(2, 60.0)
    queue.fail(failed.id, failed.token, "timeout")
    home.records.move(ref, JobState.RUNNING)
    home.drain()

    job, counts = jobs.retry_failed("shop")

    assert (job.state, counts) == ("running", {"lost": 1})
    queue.release({held.id: held.token})
    assert home.work(ref).state == "done"
    assert home.stats(ref).done == 60


def test_a_stopped_job_goes_on_with_its_failed_pages_and_the_rest(
    jobs: SiteJobs, home: SiteHome, site: Site, ended: JobRef
) -> None:
    jobs.retry_failed("shop", ["lost"])
    jobs.stop("shop")
    assert home.job(ended).state == "stopped"
    home.drain()

    assert jobs.retry_failed("shop", ["http_4xx"])[1].total() == 1
    assert home.work(ended).state == "done"


def test_what_redis_has_forgotten_is_said(jobs: SiteJobs, home: SiteHome, ended: JobRef) -> None:
    frontier = home.keys.frontier("shop", ended.id).all()
    home.redis.delete(*frontier)
    with pytest.raises(ConfigError, match="more than 7 days ago") as error:
        jobs.retry_failed("shop")
    assert "orch sites start shop" in error.value.hint

    home.redis.delete(home.keys.job("shop", ended.id, "record"))
    with pytest.raises(ConfigError, match="more than 7 days ago"):
        jobs.retry_failed("shop")


def test_while_results_wait_it_is_not_known_what_failed(
    jobs: SiteJobs, home: SiteHome, ended: JobRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "wait_drained", partial(jobs.wait_drained, 0.1))
    home.redis.xadd(home.keys.results(), {"body": "{}", "bytes": 1})

    with pytest.raises(OrchError, match="still wait to be written"):
        jobs.retry_failed("shop")
    assert home.job(ended).state == "partial"


def test_without_a_worker_nothing_is_queued(
    jobs: SiteJobs, home: SiteHome, ended: JobRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sites.jobs.jobs.WORKER_S", 0.1)
    Nodes(home.redis, home.keys).leave("test")

    with pytest.raises(NotRunning):
        jobs.retry_failed("shop")
    assert home.job(ended).state == "partial"


def test_only_the_newest_job_goes_on(
    jobs: SiteJobs, home: SiteHome, site: Site, ended: JobRef
) -> None:
    newer = jobs.start("shop").ref

    pages = [Page(site.url("/7.html"), "http_4xx", 1)]
    assert Again(home.redis, home.keys, ended).queue(pages) == 0
    assert home.job(ended).state == "partial"
    assert home.records.active() == [newer]


KILLED = """
import os, signal, sys
from orchestrator.core.context import Context
from sites.job.ref import JobRef
from sites.results.retryable import Page
from sites.shared.again import Again

context = Context.load(sys.argv[1])

def pages():
    for number in range(1500):
        if number == 700:
            os.kill(os.getpid(), signal.SIGKILL)
        yield Page(f"http://shop.example/{number}", "timeout")

Again(context.redis, context.keys, JobRef("shop", sys.argv[2])).queue(pages())
"""


def test_a_kill_in_the_midst_leaves_no_page_in_a_job_that_has_ended(
    home: SiteHome, site: Site
) -> None:
    ref, _ = home.records.create("shop", "{}")
    queue = RedisQueue(home.redis, home.keys.frontier("shop", ref.id))
    urls = [f"http://shop.example/{number}" for number in range(1500)]
    queue.enqueue([new_page(url) for url in urls])
    home.records.move(ref, JobState.RUNNING)
    for _ in range(2):
        for lease in queue.lease(1000, 60.0):
            queue.fail(lease.id, lease.token, "timeout")
    assert home.records.move(ref, JobState.FAILED)

    folder = Path(home.context.home.path)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), ref.id],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert done.returncode == -signal.SIGKILL
    assert home.job(ref).state == "pending"
    assert (home.stats(ref).queued, home.stats(ref).error) == (500, 1000)
    again = Again(home.redis, home.keys, ref)
    rest = list(again.still_there(Page(url, "timeout") for url in urls))
    assert again.queue(rest) == 1000
    assert (home.stats(ref).queued, home.stats(ref).error) == (1500, 0)
