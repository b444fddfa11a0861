"""Start, stop, resume and status of jobs, and the top-up that keeps them going."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import ConfigError, NotRunning
from orchestrator.core.keys import RETENTION_S
from orchestrator.nodes.registry import Nodes
from orchestrator.queue.redis import RedisQueue
from sites.crawl.work import new_page
from sites.job.ref import JobRef
from sites.job.state import JobState
from sites.jobs.jobs import STOP_S, SiteJobs
from sites.shared.shards import Shards
from tests.support.orch import eventually
from tests.support.redis_server import RedisServer
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Answer, Site

#: What is slow is no Redis that is away.
pytestmark = pytest.mark.usefixtures("patient")

TOML = """
start_urls = ["{url}"]
rate = {rate}
burst = {burst}
concurrency = 8
allow_private = true
[[follow]]
[item]
css = "div.item"
fields = {{ title = "h2::text" }}
"""


class Sender:
    """What `SiteJobs` needs of a Celery application; the test runs what was sent."""

    def __init__(self, home: SiteHome) -> None:
        self._home = home

    def send_task(self, name: str, args: list[str], expires: float, *, ignore_result: bool) -> None:
        assert name == "sites.tasks.shard"
        assert expires > 0
        assert ignore_result  # else Celery keeps a key of it for an hour
        site, job, reservation = args
        self._home.sent.append((JobRef(site, job), reservation))


@pytest.fixture
def jobs(home: SiteHome, site: Site) -> SiteJobs:
    write(home, site)
    return SiteJobs(home.context, lambda: Sender(home))  # type: ignore[arg-type]


def write(home: SiteHome, site: Site, *, rate: float = 2000.0, burst: int = 100) -> None:
    folder = home.context.home.path / "sites"
    folder.mkdir(exist_ok=True)
    text = TOML.format(url=site.url("/0.html"), rate=rate, burst=burst)
    (folder / "shop.toml").write_text(text)


def row(jobs: SiteJobs) -> dict[str, Any]:
    (found,) = jobs.status(["shop"])
    return found


def test_a_started_job_is_sent_at_once(jobs: SiteJobs, home: SiteHome) -> None:
    job = jobs.start("shop")

    assert job.state == "pending"
    assert [ref for ref, _ in home.sent] == [job.ref]


def test_a_second_start_is_a_no_op(jobs: SiteJobs, home: SiteHome) -> None:
    first = jobs.start("shop")

    assert jobs.start("shop").ref == first.ref
    assert len(home.sent) == 1
    home.work(first.ref)
    assert jobs.start("shop").ref != first.ref


def test_without_a_worker_a_start_says_how_to_get_one(
    jobs: SiteJobs, home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sites.jobs.jobs.WORKER_S", 0.2)
    Nodes(home.redis, home.keys).leave("test")

    with pytest.raises(NotRunning) as error:
        jobs.start("shop")
    assert "orch up" in error.value.hint


def test_an_unknown_site_is_an_error_that_names_the_known_ones(jobs: SiteJobs) -> None:
    with pytest.raises(ConfigError, match="books, pydocs, quotes, shop"):
        jobs.start("shopp")
    with pytest.raises(ConfigError, match="there is no job of it"):
        jobs.stop("shop")
    with pytest.raises(ConfigError, match="there is no job of it"):
        jobs.resume("shop")


def test_a_job_that_nobody_works_on_stops_at_once_and_resumes(
    jobs: SiteJobs, home: SiteHome
) -> None:
    jobs.start("shop")

    began = time.monotonic()
    assert jobs.stop("shop").state == "stopped"
    assert time.monotonic() - began < STOP_S / 2  # so long a shard would be waited for
    assert home.shard() is None  # the one that was sent before

    assert jobs.resume("shop").state == "pending"
    assert home.work(jobs.resume("shop").ref).state == "done"


def test_resume_finishes_the_rest_only(jobs: SiteJobs, home: SiteHome, site: Site) -> None:
    write(home, site, rate=2.0, burst=1)
    ref = jobs.start("shop").ref
    crawl = Background(home.shard)
    until(lambda: home.stats(ref).done >= 5)
    assert jobs.stop("shop").state == "stopped"
    crawl.join()
    asked = site.asked()
    assert len(asked) < 60

    write(home, site)
    assert jobs.resume("shop").state == "pending"
    assert home.work(ref).state == "done"

    again = {path for path, count in site.asked().items() if count > 1}
    assert len(again) <= 8  # what was in flight
    assert len(home.items(ref)) == 120


def test_resume_of_a_running_or_finished_job_changes_nothing(
    jobs: SiteJobs, home: SiteHome
) -> None:
    ref = jobs.start("shop").ref
    assert jobs.resume("shop").ref == ref
    assert len(home.sent) == 1
    home.work(ref)

    assert jobs.resume("shop").state == "done"


def test_a_resumed_job_works_by_todays_definition(
    jobs: SiteJobs, home: SiteHome, site: Site
) -> None:
    jobs.start("shop")
    jobs.stop("shop")
    write(home, site, rate=7.0)

    assert '"rate":7.0' in jobs.resume("shop").definition


def test_a_row_of_status_has_every_field(jobs: SiteJobs, home: SiteHome) -> None:
    assert jobs.status() == []
    ref = jobs.start("shop").ref
    home.work(ref)
    home.drain()

    found = row(jobs)

    assert list(found) == [
        *("site", "job_id", "engine", "state", "health", "reason", "pages_known", "pages_done"),
        *(
            "pages_failed",
            "pages_skipped",
            "pages_blocked",
            "pages_unchanged",
            "items",
            "in_flight",
        ),
        *("rate_per_s", "success_rate"),
        *("breaker", "rate_set_per_s", "started_at", "finished_at", "eta_s", "error"),
    ]
    assert (found["state"], found["pages_done"], found["items"]) == ("done", 60, 120)
    assert (found["success_rate"], found["breaker"], found["eta_s"]) == (1.0, "closed", None)
    assert found["rate_per_s"] > 1


def test_a_running_job_shows_its_pace_and_when_it_will_end(
    jobs: SiteJobs, home: SiteHome, site: Site
) -> None:
    write(home, site, rate=5.0, burst=1)
    ref = jobs.start("shop").ref
    crawl = Background(home.shard)

    (found,) = eventually(lambda: [one for one in jobs.status(["shop"]) if one["rate_per_s"]], 60)

    assert found["state"] == "running"
    assert 0 < found["rate_per_s"] < 10
    assert found["eta_s"] > 0
    home.stop(ref)
    crawl.join()


def test_a_job_without_workers_says_so(jobs: SiteJobs, home: SiteHome) -> None:
    ref = jobs.start("shop").ref
    _, reservation = home.sent.pop()
    Shards(home.redis, home.keys).end(ref, reservation)
    Nodes(home.redis, home.keys).leave("test")

    found = row(jobs)

    assert (found["health"], found["reason"]) == ("stalled", "no worker is running")


def test_results_are_waited_for(jobs: SiteJobs, home: SiteHome) -> None:
    home.work(jobs.start("shop").ref)

    assert not jobs.wait_drained(0.2)
    drain = Background(home.drain)
    assert jobs.wait_drained(60)
    drain.join()
    assert jobs.settled(0.1)
    assert jobs.failures("shop") == []


def test_pages_that_ended_without_a_result_are_among_the_failures(
    jobs: SiteJobs, home: SiteHome, site: Site
) -> None:
    ref = jobs.start("shop").ref
    queue = RedisQueue(home.redis, home.keys.frontier("shop", ref.id))
    for _ in range(5):
        assert queue.lease(1, 60.0, max_attempts=5)
        home.redis.zadd(home.keys.frontier("shop", ref.id).leased, {site.url("/0.html"): 1})
    home.topup.run()
    home.drain()

    (failed,) = jobs.failures("shop")

    assert (failed["url"], failed["state"]) == (site.url("/0.html"), "error")
    assert (failed["reason"], failed["attempts"]) == ("lease ran out 5 times", 5)
    assert row(jobs)["error"] == f"lease ran out 5 times ({site.url('/0.html')})"


def test_failures_are_those_of_the_results_and_of_the_frontier(
    jobs: SiteJobs, home: SiteHome, site: Site
) -> None:
    site.pages["/7.html"] = Answer(status=401)
    ref = jobs.start("shop").ref
    keys = home.keys.frontier("shop", ref.id)
    RedisQueue(home.redis, keys).enqueue([new_page(site.url("/lost"), 1)])
    home.redis.hset(keys.attempts, site.url("/lost"), 5)
    home.redis.zrem(keys.ready, site.url("/lost"))
    home.redis.zadd(keys.leased, {site.url("/lost"): 1})
    home.work(ref)
    home.drain()

    found = [(failed["url"], failed["reason"]) for failed in jobs.failures("shop", ref.id)]

    assert found == [
        (site.url("/7.html"), "http_4xx: status 401"),
        (site.url("/lost"), "lease ran out 5 times"),
    ]


# the top-up


def test_a_job_is_seeded_by_whoever_looks_next(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site), send=False)
    assert home.stats(ref).total == 0

    home.topup.run()
    home.topup.run()

    assert home.stats(ref).total == 1
    assert len(home.sent) == 1


def test_a_dead_shard_is_replaced_when_its_lease_ran_out(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site))
    shards = Shards(home.redis, home.keys)
    holder = shards.begin(ref, home.sent.pop()[1])
    assert holder
    home.topup.run()
    assert home.sent == []

    home.redis.zadd(home.keys.job("shop", ref.id, "shards"), {holder: 1})
    home.topup.run()

    assert len(home.sent) == 1


def test_a_finished_job_expires_only_when_it_is_drained(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site))
    home.work(ref)
    record = home.keys.job("shop", ref.id, "record")
    home.topup.run()
    assert home.redis.ttl(record) == -1
    assert home.redis.ttl(home.keys.frontier("shop", ref.id).state) == -1

    home.drain()
    home.topup.run()

    assert 0 < home.redis.ttl(record) <= RETENTION_S
    left = [key for key in home.redis.keys(f"*{ref.id}*") if home.redis.ttl(key) == -1]
    assert left == []
    assert home.records.ended() == []


def test_all_jobs_together_keep_to_the_budget_and_nobody_starves(
    home: SiteHome, site: Site
) -> None:
    home.slots(3)
    refs = [home.create(shop(site, name=f"shop{n}", rate=20.0, burst=1)) for n in range(3)]

    assert sorted(ref for ref, _ in home.sent) == refs[:2]  # slots - 1
    home.redis.hset(home.keys.job("shop2", refs[2].id, "record"), "served_at", "1")
    home.topup.run()
    assert home.redis.get(home.keys.yield_wanted()) == "sites"

    home.shard()
    assert refs[2] in [ref for ref, _ in home.sent]
    assert not home.redis.exists(home.keys.yield_wanted())


def test_jobs_take_turns_when_there_is_one_slot_for_all(home: SiteHome, site: Site) -> None:
    home.slots(1)
    definition = shop(site, rate=1.0, burst=1)
    refs = [home.create({**definition, "name": f"shop{n}"}) for n in range(3)]

    def turn() -> None:
        home.slots(1)
        if home.sent:
            with home.ticks():
                home.shard()
        else:
            home.topup.run()
        assert len(home.sent) <= 1

    while not all(home.job(ref).started_at for ref in refs):
        turn()
    assert all(home.job(ref).active for ref in refs)  # alone each takes a minute
    for ref in refs:
        home.hurry(ref)
    while any(home.job(ref).active for ref in refs):
        turn()
    assert {home.job(ref).state for ref in refs} == {"done"}


def test_while_a_refresh_waits_for_slots_there_is_one_shard_at_most(
    home: SiteHome, site: Site
) -> None:
    home.redis.set(home.keys.yield_wanted(), "1", px=5000)
    for number in range(3):
        home.create(shop(site, name=f"shop{number}"))

    assert len(home.sent) == 1


def test_a_shard_that_cannot_be_sent_keeps_no_place(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site), send=False)

    def fail(*_: str) -> None:
        raise ConnectionError

    topup = type(home.topup)(home.context, fail)
    with pytest.raises(ConnectionError):
        topup.run()

    assert Shards(home.redis, home.keys).live([ref]) == [0]


def test_a_job_whose_pages_all_wait_holds_no_slot(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site))
    queue = home.keys.frontier("shop", ref.id)
    _, reservation = home.sent.pop()
    Shards(home.redis, home.keys).end(ref, reservation)
    home.redis.zrem(queue.ready, site.url("/0.html"))
    home.redis.zadd(queue.delayed, {site.url("/0.html"): (time.time() + 60) * 1000})

    home.topup.run()

    assert home.sent == []
    assert home.job(ref).active


# the halt


def halt(redis_server: RedisServer, prefix: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sites.shared.halt", redis_server.url, prefix]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_halt_stops_every_job(home: SiteHome, site: Site, redis_server: RedisServer) -> None:
    busy = home.create(shop(site, rate=1.0, burst=1))
    idle = home.create(shop(site, name="idle"))
    crawl = Background(home.shard)
    until(lambda: home.job(busy).state is JobState.RUNNING)

    done = halt(redis_server, home.keys.prefix)
    crawl.join()

    assert done.returncode == 0, done.stderr
    assert [home.job(ref).state for ref in (busy, idle)] == ["stopped", "stopped"]
    assert home.job(busy).reason == "the services were stopped"
    assert home.records.active() == []


def test_a_halt_does_not_wait_for_a_dead_shard_for_long(
    home: SiteHome, site: Site, redis_server: RedisServer
) -> None:
    ref = home.create(shop(site))
    holder = Shards(home.redis, home.keys).begin(ref, home.sent.pop()[1])
    home.redis.zadd(home.keys.job("shop", ref.id, "shards"), {str(holder): 1 << 50})

    done = halt(redis_server, home.keys.prefix)

    assert done.returncode == 0
    assert "still has a shard" in done.stderr
    assert home.job(ref).state == "stopping"


def test_a_halt_without_redis_says_so_and_needs_nothing_heavy(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "sites.shared.halt",
        f"unix://{tmp_path}/none",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 3
    assert "no answer from Redis" in done.stderr
    heavy = ("redis", "celery", "pydantic", "aiohttp", "selectolax")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not loaded & set(heavy)
