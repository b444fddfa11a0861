"""A crawl behind its gate, with real processes, as the site sees it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from orchestrator.core.context import Context
from orchestrator.core.errors import RedisUnavailable
from orchestrator.gate import view
from orchestrator.gate.notice import FOLDER, Notice, posted
from orchestrator.gate.permit import BreakerState
from sites.definition.definition import Definition
from sites.job.ref import JobRef
from sites.jobs.jobs import SiteJobs
from sites.politeness.gates import SLOT_TTL_S, limits_of
from sites.shared.status import StatusReader
from tests.support.redis_server import RedisServer
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Answer, Site, tree

#: So late a request may be seen after it was let pass, in seconds: the machine is busy. Where that stands
#: still for longer, those that come in a bunch are no more than there are slots.
LATE_S = 0.4


@contextmanager
def workers(home: SiteHome, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that work off the jobs of a home; they are killed in the end."""
    command = [sys.executable, "-m", "tests.support.shard_process", str(home.context.home.path)]
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def busiest(times: list[float]) -> int:
    """The most requests within one second."""
    return max(sum(at <= other < at + 1 for other in times) for at in times)


def gate_of(home: SiteHome, definition: dict[str, Any]) -> view.GateView:
    limits = limits_of(Definition.model_validate(definition))
    asked = view.Asked(definition["name"], limits)
    return view.read(home.redis, home.keys, [asked])[0]


def ended(home: SiteHome, ref: JobRef) -> bool:
    return not home.job(ref).active


def test_workers_of_two_sites_keep_within_the_rate_of_each(home: SiteHome) -> None:
    with Site(tree(60, hang=0.02)) as slow, Site(tree(60, hang=0.02)) as quick:
        rates = {"slow": 20, "quick": 40}
        jobs = [
            home.create(
                shop(site, name=name, rate=rates[name], burst=1, concurrency=6, adaptive=False),
                send=False,
            )
            for name, site in (("slow", slow), ("quick", quick))
        ]
        with workers(home, 4):
            until(lambda: all(ended(home, ref) for ref in jobs), 60)

    assert [home.job(ref).state for ref in jobs] == ["done", "done"]
    for name, site in (("slow", slow), ("quick", quick)):
        assert set(site.asked().values()) == {1}
        assert busiest(site.times()) <= 1 + rates[name] * (1 + LATE_S)


@pytest.mark.usefixtures("patient")
def test_hosts_of_a_site_have_a_rate_of_their_own(home: SiteHome) -> None:
    with Site(tree(12)) as one, Site(tree(12)) as other:
        start = [one.url("/0.html"), other.url("/0.html")]
        ref = home.create(shop(one, start_urls=start, host_rate=10.0, adaptive=False))

        assert home.work(ref).state == "done"

    for site in (one, other):
        times = site.times()
        assert len(times) == 12
        assert times[-1] - times[0] >= 11 / 10 - LATE_S


def test_all_workers_stay_away_for_as_long_as_a_site_asks(home: SiteHome) -> None:
    with Site(tree(160)) as site:
        good = site.pages["/30.html"]
        assert isinstance(good, Answer)
        busy = Answer(status=429, headers={"Retry-After": "3"})
        site.pages["/30.html"] = lambda before: busy if before < 1 else good
        ref = home.create(shop(site, rate=40.0, burst=1, concurrency=4), send=False)
        with workers(home, 2):
            until(lambda: ended(home, ref), 60)

    assert home.job(ref).state == "done"
    refused = next(hit.at for hit in site.hits if hit.path == "/30.html")
    # Until the gate is told others go on; and as many as there are slots may be on their way then.
    since = [at for at in site.times() if at >= refused]
    assert max(later - at for at, later in zip(since, since[5:], strict=False)) >= 2.95


@pytest.mark.usefixtures("patient")
def test_a_site_that_says_that_it_is_too_much_is_asked_less_often(home: SiteHome) -> None:
    with Site(tree(12)) as site:
        site.pages["/2.html"] = Answer(status=429)
        definition = shop(site, rate=50.0, burst=1, limits={"attempts": 1})
        home.work(home.create(definition))

    rate = gate_of(home, definition)["rate"]
    assert 25.0 <= (rate["now_per_s"] or 0) <= 40.0  # it rises again, by 5/s in a second at most
    assert rate["slowed_for"] == "limited"


@pytest.mark.usefixtures("patient")
def test_a_site_whose_answers_begin_to_drag_is_asked_less_often(home: SiteHome) -> None:
    with Site(tree(40)) as site:
        for path in [f"/{number}.html" for number in range(20, 40)]:
            page = site.pages[path]
            assert isinstance(page, Answer)
            site.pages[path] = Answer(page.body, hang=1.5)
        definition = shop(site, rate=50.0, burst=1)
        home.work(home.create(definition))

    rate = gate_of(home, definition)["rate"]
    assert rate["slowed_for"] == "slow"
    assert (rate["now_per_s"] or 0) < 50.0


@pytest.mark.usefixtures("patient")
def test_a_site_that_is_not_to_be_spared_is_not(home: SiteHome) -> None:
    with Site(tree(30)) as site:
        site.pages["/2.html"] = Answer(status=429)
        definition = shop(site, rate=50.0, adaptive=False, limits={"attempts": 1})
        home.work(home.create(definition))

    assert gate_of(home, definition)["rate"]["now_per_s"] == 50.0


def test_the_slots_of_a_killed_worker_are_free_when_its_leases_end(home: SiteHome) -> None:
    with Site({"/0.html": Answer(hang=60)}) as site:
        definition = shop(
            site,
            start_urls=[site.url(f"/{number}.html") for number in range(8)],
            concurrency=3,
            limits={"timeout": "60s"},
        )
        site.pages.update({f"/{number}.html": Answer(hang=60) for number in range(8)})
        home.create(definition, send=False)
        with workers(home, 1):
            until(lambda: len(site.hits) == 3)
            before = {slot["who"] for slot in gate_of(home, definition)["slots"]}
            time.sleep(SLOT_TTL_S / 3 + 0.5)  # they were renewed once
            assert len(gate_of(home, definition)["slots"]) == 3
        left = [slot["lease_left_s"] for slot in gate_of(home, definition)["slots"]]

        until(lambda: not gate_of(home, definition)["slots"], SLOT_TTL_S + 30)

        assert max(left) <= SLOT_TTL_S + 0.05
        assert len(before) == 1


@pytest.mark.pair
def test_a_site_that_fails_is_left_alone_and_tried_by_one_request_at_a_time(
    home: SiteHome,
) -> None:
    broken = Answer(status=500)
    with Site({f"/{number}.html": broken for number in range(40)}) as site:
        definition = shop(
            site,
            start_urls=[site.url(f"/{number}.html") for number in range(40)],
            rate=100.0,
            burst=1,
            concurrency=16,
            breaker={"failures": 5, "open": "3s"},
            limits={"attempts": 20},
        )
        ref = home.create(definition, send=False)
        with workers(home, 2):
            until(lambda: len(rounds(site)) >= 3, 60)
            row = StatusReader(home.redis, home.keys).rows()[0]
            assert row["breaker"] in (BreakerState.OPEN, BreakerState.HALF_OPEN)
            site.pages.update(tree(40))
            until(lambda: ended(home, ref), 120)

    first, *trials = rounds(site)
    assert 5 <= len(first) <= 5 + 16
    assert [len(trial) for trial in trials[:2]] == [1, 1]
    assert trials[0][0] - first[4] >= 3 * 0.8  # it opens after five at the earliest
    assert trials[1][0] - trials[0][0] >= 2 * 3 * 0.8 - LATE_S
    assert home.job(ref).state == "done"


def rounds(site: Site) -> list[list[float]]:
    """The times of requests, cut where nothing was asked for a while."""
    found: list[list[float]] = []
    for at in site.times():
        if not found or at - found[-1][-1] > 2:
            found.append([])
        found[-1].append(at)
    return found


def test_while_redis_is_away_a_crawl_says_so_and_goes_on_at_its_part(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server, Site(tree(480, hang=0.02)) as site:
        home = SiteHome(tmp_path, server.url)
        ref = home.create(shop(site, rate=40.0, burst=1, concurrency=8, adaptive=False))
        crawl = Background(home.shard)
        until(lambda: home.stats(ref).done >= 20)

        server.kill()
        until(lambda: alone(home))
        told = alone(home)[0]
        server.start()
        until(lambda: not alone(home))
        assert home.stats(ref).live, "it was said only because the crawl had ended"
        crawl.join(60)

        assert home.work(ref).state == "done"
        assert set(site.asked().values()) <= {1, 2}
        assert busiest(site.times()) <= 1 + 40 * (1 + LATE_S)
        assert told["site"] == "shop"
        assert "Redis" in told["reason"]
    events = (home.context.home.logs / "events.jsonl").read_text()
    assert events.count('"gate.alone"') == events.count('"gate.shared"') >= 1


def test_a_site_whose_gate_works_alone_says_so_in_its_row(home: SiteHome) -> None:
    with Site() as site:
        home.create(shop(site))
    reader = StatusReader(home.redis, home.keys, home.context.home)
    notice = Notice(home.context.home.run / FOLDER)
    notice.post(site="shop", since=1.0, reason="no answer from Redis")

    row = reader.rows()[0]
    notice.take_down()

    told = "asked without the shared gate by a process, at its part of the rate"
    assert row["reason"] == f"{told}: no answer from Redis"
    assert told not in reader.rows()[0]["reason"]


def test_without_redis_the_error_says_which_gates_work_alone(tmp_path: Path) -> None:
    (tmp_path / "orch.toml").write_text('[redis]\nurl = "unix:///nowhere/redis.sock"\n')
    context = Context.load(tmp_path)
    context.home.make()
    notice = Notice(context.home.run / FOLDER)
    notice.post(site="shop", since=1.0, reason="no answer")

    with pytest.raises(RedisUnavailable, match="; shop: asked without the shared gate") as error:
        SiteJobs(context, Celery).status()
    notice.take_down()

    assert error.value.hint
    with pytest.raises(RedisUnavailable) as plain:
        SiteJobs(context, Celery).status()
    assert "shop" not in str(plain.value)


def alone(home: SiteHome) -> list[dict[str, Any]]:
    """What is said of gates that work without their Redis."""
    return posted(str(home.context.home.run))
