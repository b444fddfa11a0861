"""Whole jobs at sites that say what they do not want: as the site sees it, shards in this process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proxies.model import Anonymity, Proxy, Verdict
from proxies.pool.pool import Pool
from sites.job.ref import JobRef
from tests.support.block_pages import BLOCKS
from tests.support.innocent_pages import INNOCENTS
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Answer, Site, tree

#: What is slow is no Redis that is away: alone a gate begins anew.
pytestmark = pytest.mark.usefixtures("patient")

TEXT = {"Content-Type": "text/plain"}
PAGES = 6


@pytest.fixture
def small() -> Iterator[Site]:
    with Site(tree(PAGES)) as server:
        yield server


@pytest.fixture(scope="module")
def forward() -> Iterator[Proxy]:
    """An honest proxy that leaves from 127.0.0.9."""
    command = [sys.executable, "-m", "orchestrator.demo.forward", "--leave-from", "127.0.0.9"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield Proxy("http", "127.0.0.1", json.loads(process.stdout.readline())["port"])
        process.kill()


def polite(site: Site, **more: Any) -> dict[str, Any]:
    return shop(site, **{"robots": True, "limits": {"timeout": "5s", "attempts": 2}, **more})


def ended(home: SiteHome, ref: JobRef) -> dict[str, int]:
    stats = home.stats(ref)
    return {"done": stats.done, "skipped": stats.skipped, "error": stats.error}


def test_what_a_robots_txt_forbids_is_never_asked_for_and_counts_as_skipped(
    home: SiteHome, small: Site
) -> None:
    small.pages["/robots.txt"] = Answer("User-agent: orch\nDisallow: /3.html\n", headers=TEXT)
    ref = home.create(polite(small))

    assert home.work(ref).state == "done"

    assert home.reason(ref, small.url("/3.html")) == "robots: Disallow: /3.html"
    assert ended(home, ref) == {"done": PAGES - 1, "skipped": 1, "error": 0}
    assert small.hits[0].path == "/robots.txt"
    assert small.asked() == {"/robots.txt": 1} | {f"/{n}.html": 1 for n in range(PAGES) if n != 3}
    second = home.create(polite(small))
    home.work(second)
    assert small.asked()["/robots.txt"] == 1  # it is known for a day, to every worker


def test_robots_are_heeded_unless_a_site_says_otherwise(home: SiteHome, small: Site) -> None:
    small.pages["/robots.txt"] = Answer("User-agent: *\nDisallow: /\n", headers=TEXT)
    heeds = {key: value for key, value in polite(small).items() if key != "robots"}

    ref = home.create(heeds)
    home.work(ref)
    assert small.asked() == {"/robots.txt": 1}
    assert ended(home, ref) == {"done": 0, "skipped": 1, "error": 0}

    assert home.work(home.create(polite(small, robots=False))).state == "done"
    assert small.asked()["/robots.txt"] == 1
    assert small.asked()["/5.html"] == 1


def test_a_robots_txt_goes_through_the_proxy_that_the_site_requires(
    home: SiteHome, small: Site, forward: Proxy
) -> None:
    now = float(home.redis.time()[0])
    found = Verdict(forward, now, anonymity=Anonymity.ELITE, exit_ip="127.0.0.9")
    Pool(home.redis, home.keys).replace([found])
    small.pages["/robots.txt"] = Answer("User-agent: *\nDisallow: /3.html\n", headers=TEXT)

    ref = home.create(polite(small, proxies="require"))

    assert home.work(ref).state == "done"
    assert {hit.peer for hit in small.hits} == {"127.0.0.9"}
    assert small.asked()["/robots.txt"] == 1
    assert small.asked()["/3.html"] == 0


def test_without_a_proxy_that_the_site_requires_not_even_its_robots_txt_is_asked_for(
    home: SiteHome, small: Site
) -> None:
    limits = {"timeout": "5s", "attempts": 1, "proxy_wait": 0}
    ref = home.create(polite(small, proxies="require", limits=limits))

    job = home.work(ref)

    assert not small.hits
    assert "no usable proxy" in job.error


def test_a_robots_txt_that_cannot_be_had_ends_pages_with_that_reason(
    home: SiteHome, small: Site
) -> None:
    small.pages["/robots.txt"] = Answer(status=500)
    ref = home.create(polite(small, limits={"timeout": "5s", "attempts": 1}))

    job = home.work(ref)

    assert set(small.asked()) == {"/robots.txt"}
    assert job.error.startswith(f"http_5xx: robots.txt of {small.host}: status 500")


def test_a_crawl_delay_spaces_the_requests_as_the_site_sees_it(home: SiteHome, small: Site) -> None:
    small.pages["/robots.txt"] = Answer("User-agent: *\nCrawl-delay: 0.4\n", headers=TEXT)
    ref = home.create(polite(small))

    assert home.work(ref).state == "done"

    pages = [at for at in small.times() if at > small.hits[0].at]
    assert small.hits[0].path == "/robots.txt"
    assert len(pages) == PAGES
    # A request may arrive late, and the next one in time: none comes before it may.
    assert all(at - small.hits[0].at > number * 0.4 - 0.05 for number, at in enumerate(pages))


def test_jitter_only_makes_the_gaps_longer(home: SiteHome, small: Site) -> None:
    ref = home.create(polite(small, rate=5, burst=1, jitter=1.0, robots=False))
    began = time.monotonic()

    assert home.work(ref).state == "done"

    # One in 0.4 s, each with up to 0.2 s on top: the gaps are from 0.2 s on, which is what `rate` says.
    times = small.times()
    assert len(times) == PAGES
    assert all(at - began > number * 0.4 - 0.05 for number, at in enumerate(times))


def test_in_quiet_hours_nothing_is_asked_for_and_the_job_says_why(
    home: SiteHome, small: Site
) -> None:
    now = datetime.now(UTC)
    begin, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-2, 2))
    ref = home.create(polite(small, quiet=[f"{begin}-{end} UTC"]))
    working = Background(home.shard)

    until(lambda: "quiet hours for" in str(health(home, ref)))
    home.stop(ref)
    working.join()

    assert not small.hits


def health(home: SiteHome, ref: JobRef) -> Any:
    return home.redis.get(home.keys.job(ref.site, ref.id, "health"))


BLOCKED = Answer(BLOCKS["are you a robot"].body)


def test_a_challenge_with_200_is_never_stored_and_tried_again(home: SiteHome, small: Site) -> None:
    small.pages["/2.html"] = lambda before: BLOCKED if before < 1 else tree(PAGES)["/2.html"]
    small.pages["/4.html"] = BLOCKED
    ref = home.create(polite(small, robots=False))

    job = home.work(ref)

    assert job.state == "partial"
    assert job.error.startswith("soft_block: title: are you a robot, text: ")
    assert (small.asked()["/2.html"], small.asked()["/4.html"]) == (2, 2)
    assert ended(home, ref) == {"done": PAGES - 1, "skipped": 0, "error": 1}
    items = home.items(ref)
    assert len(items) == (PAGES - 1) * 2
    assert not [line for line in items if "robot" in line]


@pytest.mark.parametrize("status", [403, 503])
def test_a_challenge_with_another_status_is_known_too(
    status: int, home: SiteHome, small: Site
) -> None:
    case = BLOCKS["cloudflare managed challenge, 200, no header"]
    small.pages["/0.html"] = Answer(case.body, status=status)
    ref = home.create(polite(small, robots=False, limits={"attempts": 1}))

    job = home.work(ref)

    assert job.error.startswith("soft_block: ")
    assert "vendor: cloudflare" in job.error


def test_a_page_with_the_items_that_it_should_have_is_no_block_unless_that_is_certain(
    home: SiteHome, small: Site
) -> None:
    item = '<div class="item"><h2>robot</h2><b>£1</b></div>'
    fields = {
        "title": {"css": "h2::text", "required": True},
        "price": {"css": "b::text", "type": "money"},
    }
    small.pages["/1.html"] = Answer(BLOCKED.body.replace("</body>", f"{item}</body>"))
    certain = BLOCKS["cloudflare managed challenge, 200, no header"].body
    small.pages["/2.html"] = Answer(certain.replace("</body>", f"{item}</body>"))
    ref = home.create(
        polite(
            small, robots=False, item={"css": "div.item", "fields": fields}, limits={"attempts": 1}
        )
    )

    home.work(ref)

    assert [line for line in home.items(ref) if '"robot"' in line]
    assert home.reason(ref, small.url("/2.html")).startswith("soft_block")
    assert ended(home, ref) == {"done": PAGES - 1, "skipped": 0, "error": 1}


def test_innocent_pages_of_all_kinds_are_done(home: SiteHome, small: Site) -> None:
    good = {name: case for name, case in INNOCENTS.items() if case.status == 200 and case.body}
    small.pages["/0.html"] = Answer(
        "".join(f"<a href='/i/{n}.html'>x</a>" for n in range(len(good)))
    )
    for number, case in enumerate(good.values()):
        small.pages[f"/i/{number}.html"] = Answer(case.body, headers=case.headers)
    ref = home.create(polite(small, robots=False, limits={"attempts": 1, "depth": 1}))

    home.work(ref)

    assert ended(home, ref) == {"done": len(good) + 1, "skipped": 0, "error": 0}


def test_all_requests_name_the_agent(home: SiteHome, small: Site) -> None:
    ref = home.create(polite(small, user_agent="shop-bot/2.0", contact="mailto:me@example.org"))
    home.work(ref)
    agents = {dict(hit.headers)["User-Agent"] for hit in small.hits}
    assert agents == {"shop-bot/2.0 (+mailto:me@example.org)"}
