"""Sites and proxies: never past a proxy where one is required."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orchestrator.gate import view
from orchestrator.gate.limits import Limits
from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool.pool import Pool
from tests.support.ports import free_port
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Site

#: What is slow is no Redis that is away.
pytestmark = pytest.mark.usefixtures("patient")


@contextmanager
def forward(leave_from: str) -> Iterator[tuple[Proxy, subprocess.Popen[bytes]]]:
    """An honest proxy that leaves from an address of its own."""
    command = [sys.executable, "-m", "orchestrator.demo.forward", "--leave-from", leave_from]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        port = json.loads(process.stdout.readline())["port"]
        yield Proxy("http", "127.0.0.1", port), process
        process.kill()


def dead() -> Proxy:
    return Proxy("http", "127.0.0.1", free_port())


def fill(home: SiteHome, *proxies: Proxy) -> None:
    now = float(home.redis.time()[0])
    verdicts = [
        Verdict(proxy, now, anonymity=Anonymity.ELITE, exit_ip="127.0.0.9") for proxy in proxies
    ]
    Pool(home.redis, home.keys).replace(verdicts)


def peers(site: Site) -> set[str]:
    return {hit.peer for hit in site.hits}


QUICK = {"proxy_wait": "0.5s", "attempts": 1, "timeout": "3s"}


def test_pages_come_through_the_pool_and_through_nothing_else(home: SiteHome, site: Site) -> None:
    with forward("127.0.0.9") as (one, _), forward("127.0.0.10") as (two, _):
        fill(home, one, two)
        ref = home.create(shop(site, proxies="require"))

        assert home.work(ref).state == "done"

    assert peers(site) == {"127.0.0.9", "127.0.0.10"}
    assert len(home.items(ref)) == 120


def test_without_any_proxy_a_site_that_requires_one_is_never_asked(
    home: SiteHome, site: Site
) -> None:
    ref = home.create(shop(site, proxies="require", limits=QUICK))

    job = home.work(ref)

    assert site.hits == []
    assert job.state == "failed"
    assert home.reason(ref, site.url("/0.html")) == "no usable proxy"


def test_why_a_job_without_proxies_waits_is_told(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, proxies="require"))
    crawl = Background(home.shard)

    key = home.keys.job("shop", ref.id, "health")
    until(lambda: home.redis.get(key) == "no usable proxy")

    home.stop(ref)
    crawl.join()
    assert site.hits == []


def test_with_dead_proxies_only_a_site_that_requires_one_is_never_asked(
    home: SiteHome, site: Site
) -> None:
    fill(home, *(dead() for _ in range(6)))
    ref = home.create(shop(site, proxies="require", limits=QUICK))

    assert home.work(ref).state == "failed"
    assert site.hits == []


def test_a_proxy_that_dies_costs_no_page_and_no_direct_request(home: SiteHome, site: Site) -> None:
    with forward("127.0.0.9") as (one, first), forward("127.0.0.10") as (two, _):
        fill(home, one, two, dead())
        ref = home.create(shop(site, proxies="require", rate=60.0, burst=1))
        crawl = Background(home.shard)
        until(lambda: len(site.hits) > 15)
        first.send_signal(signal.SIGKILL)
        crawl.join(40)

        assert home.work(ref).state == "done"

    assert "127.0.0.1" not in peers(site)
    assert len(home.items(ref)) == 120


def test_a_job_goes_on_as_soon_as_there_is_a_proxy(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, proxies="require"))
    crawl = Background(home.shard)
    key = home.keys.job("shop", ref.id, "health")
    until(lambda: home.redis.get(key) == "no usable proxy")

    with forward("127.0.0.9") as (proxy, _):
        fill(home, proxy)
        crawl.join()
        assert home.work(ref).state == "done"

    assert peers(site) == {"127.0.0.9"}


def test_a_dead_proxy_does_not_trip_the_breaker_of_the_site(home: SiteHome, site: Site) -> None:
    fill(home, *(dead() for _ in range(20)))
    ref = home.create(shop(site, proxies="require", limits=QUICK | {"attempts": 3}))

    home.work(ref)

    assert home.stats(ref).error == 1
    gate = view.read(home.redis, home.keys, [view.Asked("shop", Limits(rate=2000))])[0]
    assert (gate["breaker"]["state"], gate["breaker"]["failed"]) == ("closed", 0)


def test_a_site_that_prefers_proxies_is_asked_directly_without_any(
    home: SiteHome, site: Site
) -> None:
    ref = home.create(shop(site, proxies="prefer"))

    assert home.work(ref).state == "done"
    assert peers(site) == {"127.0.0.1"}


def test_a_site_that_prefers_proxies_survives_dead_ones(home: SiteHome, site: Site) -> None:
    fill(home, dead(), dead(), dead())
    ref = home.create(shop(site, proxies="prefer"))

    assert home.work(ref).state == "done"


def test_a_site_that_wants_none_uses_none(home: SiteHome, site: Site) -> None:
    fill(home, dead())
    ref = home.create(shop(site))

    assert home.work(ref).state == "done"
    assert peers(site) == {"127.0.0.1"}
