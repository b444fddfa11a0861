"""When jobs begin, wait, stand still and run out of time."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.core import memory
from orchestrator.nodes.registry import Node, Nodes
from sites.crawl.ends import End
from sites.job.state import JobState
from sites.jobs.jobs import SiteJobs
from sites.jobs.timetable import Timetable
from sites.shared.shard import run_shard
from sites.shared.status import StatusReader
from tests.support.orch import whole_lines
from tests.support.pool_home import fill
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Answer, Site, tree

PAGE = """
start_urls = ["{url}"]
allow_private = true
robots = false
{more}
[item]
fields = {{ title = "h2::text" }}
"""


#: A job that looks at six pages at once and then takes a minute: what a test does to it comes in time.
SLOW = {"rate": 1.0, "burst": 6}


def define(home: SiteHome, site: Site, name: str, more: str) -> None:
    folder = home.context.home.path / "sites"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.toml").write_text(PAGE.format(url=site.url("/0.html"), more=more))


def row(home: SiteHome, name: str = "shop") -> dict[str, Any]:
    (found,) = StatusReader(home.redis, home.keys, home.context.home).rows([name])
    return found


def events(home: SiteHome) -> list[str]:
    file = home.context.home.logs / "events.jsonl"
    return [json.loads(line)["event"] for line in whole_lines(file)]


# schedules


@pytest.fixture
def daily() -> str:
    """A schedule that was due half an hour ago, and is not again while a test runs."""
    return f"{datetime.now(UTC) - timedelta(minutes=30):%M %H} * * *"


def seen(home: SiteHome, hours_ago: float, schedule: str) -> None:
    """Let the schedule of `shop` have been seen to last so long ago."""
    at = int(home.redis.time()[0]) - hours_ago * 3600
    home.redis.hset(home.keys.due_jobs(), "shop", f"{at:.3f} {schedule}")


def test_a_due_moment_makes_one_job_however_many_tick(
    home: SiteHome, site: Site, daily: str
) -> None:
    define(home, site, "shop", f'schedule = "{daily}"')
    seen(home, 1, daily)
    gate = threading.Barrier(8)

    def tick() -> None:
        table = Timetable(home.context)
        gate.wait()
        table.run()

    for each in [Background(tick) for _ in range(8)]:
        each.join()

    (ref,) = home.records.active()
    assert events(home) == ["site.scheduled"]
    home.work(ref)
    Timetable(home.context).run()
    assert home.records.active() == []  # that moment was seen to


def test_moments_that_nobody_saw_count_as_one(home: SiteHome, site: Site, daily: str) -> None:
    define(home, site, "shop", f'schedule = "{daily}"')
    seen(home, 75, daily)

    Timetable(home.context).run()
    (ref,) = home.records.active()
    home.work(ref)
    Timetable(home.context).run()

    assert home.redis.zcard(home.keys.jobs()) == 1


def test_a_schedule_that_is_new_or_changed_begins_now(
    home: SiteHome, site: Site, daily: str
) -> None:
    define(home, site, "shop", f'schedule = "{daily}"')
    Timetable(home.context).run()
    assert home.records.active() == []

    seen(home, 75, "30 * * * *")
    Timetable(home.context).run()
    assert home.records.active() == []


def test_a_moment_while_the_last_job_runs_is_skipped_and_told(
    home: SiteHome, site: Site, daily: str
) -> None:
    define(home, site, "shop", f'schedule = "{daily}"')
    ref = home.create(shop(site))
    seen(home, 1, daily)

    Timetable(home.context).run()
    Timetable(home.context).run()

    assert home.records.active() == [ref]
    assert events(home) == ["site.skipped"]


def test_a_site_file_that_changes_is_read_anew_and_a_wrong_one_runs_nothing(
    home: SiteHome, site: Site, daily: str
) -> None:
    define(home, site, "shop", "")
    seen(home, 2, daily)
    Timetable(home.context).run()
    assert home.records.active() == []

    define(home, site, "shop", f'schedule = "{daily}"\nneeds = ["nowhere"]')
    Timetable(home.context).run()
    assert home.records.active() == []

    define(home, site, "shop", f'schedule = "{daily}"')
    Timetable(home.context).run()
    assert [ref.site for ref in home.records.active()] == ["shop"]


# needs


def test_a_job_waits_for_the_site_that_it_needs_and_begins_by_itself(
    home: SiteHome, site: Site
) -> None:
    needed = home.create(shop(site, name="zoo"), send=False)
    waiting = home.create(shop(site, needs=["zoo"]), send=False)
    home.topup.run()

    assert {ref.site for ref, _ in home.sent} == {"zoo"}
    found = row(home)
    assert (found["state"], found["health"]) == ("pending", "waiting")
    assert found["reason"] == "needs zoo, which is pending"

    while home.job(needed).active:
        assert {ref.site for ref, _ in home.sent} == {"zoo"}
        home.shard()
    # The shard that ended the one has sent the other.
    assert {ref.site for ref, _ in home.sent} == {"shop"}
    assert home.work(waiting).state == "done"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (JobState.FAILED, "which failed"),
        (JobState.STOPPED, "which is stopped: `orch sites resume zoo`"),
        (None, "which has not run: `orch sites start zoo`"),
    ],
)
def test_dependents_of_a_job_that_did_not_end_well_stay_pending(
    home: SiteHome, site: Site, end: JobState | None, reason: str
) -> None:
    if end:
        needed = home.create(shop(site, name="zoo"), send=False)
        home.records.move(needed, end, unfinished=True)
    ref = home.create(shop(site, needs=["zoo"]))

    home.topup.run()

    assert home.sent == []
    assert home.job(ref).state == "pending"
    assert reason in row(home)["reason"]
    jobs = SiteJobs(home.context, None)  # type: ignore[arg-type]
    assert jobs.stop("shop").state == "stopped"


def test_a_job_that_has_begun_waits_for_nobody(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, needs=["zoo"]), send=False)
    home.records.move(ref, JobState.RUNNING)
    home.records.move(ref, JobState.STOPPED)
    home.resume(ref)

    assert [sent for sent, _ in home.sent] == [ref]


@pytest.mark.parametrize("settings", ['[proxies]\nsources = ["http://127.0.0.1:9/list"]'])
def test_a_job_waits_for_usable_proxies_and_asks_for_them(
    home: SiteHome, site: Site, daily: str
) -> None:
    define(home, site, "shop", f'schedule = "{daily}"\nproxies = "require"')
    seen(home, 2, daily)
    Timetable(home.context).run()
    home.topup.run()

    assert home.sent == []
    assert row(home)["reason"] == "needs proxies, and none is usable: a refresh was asked for"
    assert home.redis.get(home.keys.refresh_asked()) == "shop"

    fill(home.redis, "http://10.0.0.1:80", keys=home.keys)
    home.topup.run()

    assert [ref.site for ref, _ in home.sent] == ["shop"]


# standing still


def note(home: SiteHome, ref: Any, **facts: str) -> None:
    home.records.note(ref, facts)


def test_a_job_that_stands_still_is_stalled_and_recovers_by_itself(
    home: SiteHome, site: Site
) -> None:
    ref = home.create(shop(site, stall="2m", **SLOW))
    assert row(home)["health"] == "ok"

    note(home, ref, moved_at=f"{int(home.redis.time()[0]) - 300}")
    home.topup.run()
    home.topup.run()

    assert events(home) == ["site.stalled"]
    found = row(home)
    assert found["health"] == "stalled"
    assert found["reason"].startswith("no page has ended for 5 min")
    crawl = Background(home.shard)
    until(lambda: home.stats(ref).done)
    home.topup.run()
    assert events(home) == ["site.stalled", "site.recovered"]
    assert row(home)["health"] == "ok"
    home.stop(ref)
    crawl.join()


def test_a_job_that_gets_on_while_nobody_ticks_is_not_stalled(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, stall="2m", **SLOW))
    note(home, ref, moved_at=f"{int(home.redis.time()[0]) - 300}", moved="0")
    crawl = Background(home.shard)
    until(lambda: home.stats(ref).done)

    assert row(home)["health"] == "ok"
    home.stop(ref)
    crawl.join()


def test_a_job_that_is_resumed_has_not_stood_still_meanwhile(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, stall="2m"))
    home.records.move(ref, JobState.STOPPED)
    note(home, ref, moved_at="1000.0", stalled="1")

    home.resume(ref)

    assert row(home)["health"] == "ok"


# budgets


def test_a_job_that_has_used_up_its_time_ends_in_part_with_honest_counts(
    home: SiteHome, site: Site
) -> None:
    ref = home.create(shop(site, **SLOW, limits={"time": "2h", "timeout": "5s"}))
    crawl = Background(home.shard)
    until(lambda: home.stats(ref).done >= 5)
    begun = home.job(ref).begun_at

    assert begun is not None
    assert home.redis.time()[0] - begun < 60
    note(home, ref, begun_at=f"{int(home.redis.time()[0]) - 7201}")
    home.topup.run()
    crawl.join()
    home.topup.run()

    job, stats = home.job(ref), home.stats(ref)
    assert (job.state, job.reason) == ("partial", "limits.time = 2 h 0 min was reached")
    assert stats.live > 0
    assert stats.in_progress == 0
    assert 5 <= stats.done < 60
    assert len(home.items(ref)) == 2 * stats.done
    found = row(home)
    assert (found["pages_done"], found["pages_known"]) == (stats.done, stats.total)


def test_the_time_of_a_job_counts_from_when_it_was_resumed(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, limits={"time": "2h", "timeout": "5s"}), send=False)
    home.records.move(ref, JobState.RUNNING)
    note(home, ref, begun_at=f"{int(home.redis.time()[0]) - 7201}", over="limits.time")
    home.records.move(ref, JobState.STOPPED)

    home.resume(ref)

    assert home.work(ref).state == "done"


def test_a_stop_while_its_time_runs_out_leaves_no_job_in_between(
    home: SiteHome, site: Site
) -> None:
    ref = home.create(shop(site, limits={"time": "2h"}))
    home.records.move(ref, JobState.RUNNING)
    note(home, ref, begun_at="1000.0")
    home.topup.run()
    assert home.job(ref).state == "stopping"

    jobs = SiteJobs(home.context, None)  # type: ignore[arg-type]

    # Nothing was fetched, so there is nothing to be partial.
    assert jobs.stop("shop").state == "failed"


# memory


def test_new_shards_wait_while_the_machines_are_short_of_memory(home: SiteHome, site: Site) -> None:
    nodes = Nodes(home.redis, home.keys)
    nodes.renew(Node("test", 4, 0, short="the machine is short of memory: 12 MB are left"))
    ref = home.create(shop(site))

    assert home.sent == []
    found = row(home)
    assert (found["health"], found["reason"]) == (
        *("stalled", "the machine is short of memory: 12 MB are left"),
    )
    home.slots(4)
    home.topup.run()
    assert [sent for sent, _ in home.sent] == [ref]


def test_a_shard_that_comes_to_a_short_machine_gives_its_place_back(
    home: SiteHome, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = home.create(shop(site))
    sent, reservation = home.sent.pop()
    monkeypatch.setattr(memory, "available", lambda _: 100_000_000)

    assert run_shard(home.context, sent, reservation, home.topup) is None

    assert site.hits == []
    home.topup.run()
    assert len(home.sent) == 1
    monkeypatch.undo()
    assert home.work(ref).state == "done"


# what pages count as


def test_pages_that_were_blocked_are_counted_once_they_are_written(
    home: SiteHome, site: Site
) -> None:
    site.pages["/7.html"] = Answer(status=403)
    ref = home.create(shop(site, limits={"attempts": 1}, breaker={"failures": 1000}))
    home.work(ref)
    home.drain()
    home.drain()

    found = row(home)

    assert (found["pages_failed"], found["pages_blocked"], found["pages_unchanged"]) == (1, 1, 0)


# several sites


def test_a_long_job_makes_room_for_a_short_one(home: SiteHome, site: Site) -> None:
    """Two slots, one of which stays free for short work: without room the short job would wait."""
    home.slots(2)
    long = home.create(shop(site, name="long", **SLOW))
    crawl = Background(home.shard)
    until(lambda: home.stats(long).done)

    with Site(tree(10)) as other:
        short = home.create(shop(other, name="short"))
        assert home.sent == []
        with home.ticks():
            assert crawl.join(50) is End.YIELD  # a slice is 60 s
        assert {ref for ref, _ in home.sent} == {short}
        home.shard()

    assert home.job(short).state == "done"
    assert home.job(long).active
