"""Whole jobs against a real local site and a real server, shards in this process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from proxies.model import Proxy
from sites.crawl.ends import End
from sites.fetch.answer import Answer as Found
from sites.fetch.transport import Transport
from tests.support.site_home import Background, SiteHome, shop, until
from tests.support.site_server import Answer, Site, tree

#: What is slow is no Redis that is away.
pytestmark = pytest.mark.usefixtures("patient")

SLICED = pytest.mark.parametrize("settings", ['[sites]\nslice = "1s"\n'], ids=["slices of 1 s"])
#: Nobody is there to take what is sent to a second shard.
ALONE = pytest.mark.parametrize("settings", ["[sites]\nshards_per_job = 1\n"], ids=["one shard"])


def expected(pages: int) -> list[str]:
    """The titles that a whole tree gives."""
    return sorted(f"item {number}-{part}" for number in range(pages) for part in range(2))


def titles(lines: list[str]) -> list[str]:
    return sorted(line.partition('"title": "')[2].partition('"')[0] for line in lines)


def test_a_site_is_crawled_whole_and_each_page_once(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site))

    job = home.work(ref)

    assert job.state == "done"
    assert titles(home.items(ref)) == expected(60)
    assert set(site.asked().values()) == {1}
    assert home.job(ref).items == 120
    assert home.stats(ref).done == 60


def test_two_runs_have_the_same_export(home: SiteHome, site: Site) -> None:
    first = home.create(shop(site))
    home.work(first)
    second = home.create(shop(site))
    home.work(second)

    assert first != second
    assert home.items(first) == home.items(second)


def test_what_is_gone_is_skipped_at_once_and_the_job_is_done(home: SiteHome, site: Site) -> None:
    site.pages["/3.html"] = Answer(status=404)
    site.pages["/4.html"] = Answer(status=410)
    ref = home.create(shop(site))

    assert home.work(ref).state == "done"
    assert home.stats(ref).skipped == 2
    assert site.asked()["/3.html"] == 1
    assert home.reason(ref, site.url("/3.html")) == "gone"


def test_a_page_that_fails_is_tried_again_and_ends_with_its_reason(
    home: SiteHome, site: Site
) -> None:
    site.pages["/7.html"] = Answer(status=500)
    ref = home.create(shop(site, limits={"attempts": 3}))

    job = home.work(ref)

    assert job.state == "partial"
    assert job.error == f"http_5xx: status 500 ({site.url('/7.html')})"
    assert site.asked()["/7.html"] == 3
    assert home.stats(ref).error == 1


def test_a_page_that_fails_for_a_while_is_not_lost(home: SiteHome, site: Site) -> None:
    good = site.pages["/7.html"]
    assert isinstance(good, Answer)
    site.pages["/7.html"] = lambda before: Answer(status=503) if before < 2 else good
    ref = home.create(shop(site))

    assert home.work(ref).state == "done"
    assert titles(home.items(ref)) == expected(60)


def test_a_site_that_is_not_there_fails_the_job(home: SiteHome, site: Site) -> None:
    site.pages.clear()
    site.pages["/0.html"] = Answer(status=403)
    ref = home.create(shop(site, limits={"attempts": 1}))

    job = home.work(ref)

    assert job.state == "failed"
    assert job.error.startswith("http_403")


def test_retry_after_is_honoured_in_full(home: SiteHome, site: Site) -> None:
    good = site.pages["/0.html"]
    assert isinstance(good, Answer)
    busy = Answer(status=429, headers={"Retry-After": "2"})
    site.pages["/0.html"] = lambda before: busy if before < 1 else good
    ref = home.create(shop(site))

    home.work(ref)

    first, second, *_ = site.times()
    assert second - first >= 2.0


def test_while_a_site_asks_us_to_wait_no_page_of_it_is_asked_for(
    home: SiteHome, site: Site
) -> None:
    good = site.pages["/1.html"]
    assert isinstance(good, Answer)
    busy = Answer(status=503, headers={"Retry-After": "2"})
    site.pages["/1.html"] = lambda before: busy if before < 1 else good
    ref = home.create(shop(site, concurrency=1))

    home.work(ref)

    refused = next(hit.at for hit in site.hits if hit.path == "/1.html")
    assert not [at for at in site.times() if refused < at < refused + 1.95]


def test_a_redirect_is_a_page_of_its_own_and_nothing_comes_twice(
    home: SiteHome, site: Site
) -> None:
    site.pages["/1.html"] = Answer(status=302, headers={"Location": "/2.html"})
    site.pages["/5.html"] = Answer(status=302, headers={"Location": "/new.html"})
    site.pages["/new.html"] = Answer("<div class='item'><h2>new</h2></div>")
    site.pages["/6.html"] = Answer(status=302, headers={"Location": "http://example.invalid/"})
    site.pages["/7.html"] = Answer(status=301, headers={"Location": "/7.html"})
    site.pages["/8.html"] = Answer(status=301, headers={"Location": "/9.html"})
    site.pages["/9.html"] = Answer(status=301, headers={"Location": "/8.html"})
    ref = home.create(shop(site))

    job = home.work(ref)

    found = titles(home.items(ref))
    assert len(found) == len(set(found))
    assert "new" in found
    assert site.asked()["/2.html"] == 1
    assert job.state == "partial"
    assert job.error.startswith("redirect: to itself")
    assert home.reason(ref, site.url("/6.html")).endswith("which is not on an allowed host")


def test_a_start_page_that_leads_to_another_host_says_so(home: SiteHome, site: Site) -> None:
    site.pages["/0.html"] = Answer(status=301, headers={"Location": "http://www.example.invalid/"})
    ref = home.create(shop(site))

    job = home.work(ref)

    where = "http://www.example.invalid/"
    assert job.state == "failed"
    assert job.error == f"{site.url('/0.html')} redirects to {where}, not in allowed_hosts"


def test_a_job_all_of_whose_pages_were_skipped_says_why(home: SiteHome, site: Site) -> None:
    site.pages.clear()
    ref = home.create(shop(site))

    job = home.work(ref)

    assert job.state == "failed"
    assert job.error == f"every page was skipped: gone ({site.url('/0.html')})"


def test_a_chain_of_redirects_has_an_end(home: SiteHome, site: Site) -> None:
    for number in range(60):
        site.pages[f"/{number}.html"] = Answer(
            status=302, headers={"Location": f"/{number + 1}.html"}
        )
    ref = home.create(shop(site, limits={"redirects": 4}))

    assert home.work(ref).state == "failed"
    assert len(site.hits) == 5


def test_depth_and_number_of_pages_are_bounded(home: SiteHome, site: Site) -> None:
    flat = home.create(shop(site, limits={"depth": 1}))
    home.work(flat)
    few = home.create(shop(site, limits={"pages": 7}))
    home.work(few)

    assert home.stats(flat).total == 11
    assert home.stats(few).total == 7
    assert home.job(few).reason == "limits.pages = 7 was reached"


def test_the_number_of_pages_is_exact_and_pages_without_links_end_well(
    home: SiteHome, site: Site
) -> None:
    lists = [f"/list{number}.html" for number in range(8)]
    for path in lists:
        links = "".join(f'<a href="{path}-{number}.html">x</a>' for number in range(60))
        site.pages[path] = Answer(links, hang=0.1)
        for number in range(60):
            site.pages[f"{path}-{number}.html"] = Answer("<div class='item'><h2>x</h2></div>")
    start = [site.url(path) for path in lists]
    ref = home.create(shop(site, start_urls=start, limits={"pages": 50}))

    job = home.work(ref)

    assert (job.state, job.reason) == ("partial", "limits.pages = 50 was reached")
    assert home.stats(ref).done == len(site.hits) == 50


def test_a_job_that_knows_just_as_many_pages_as_it_may_was_not_bounded(
    home: SiteHome, site: Site
) -> None:
    ref = home.create(shop(site, limits={"pages": 60}))

    assert (home.work(ref).reason, home.stats(ref).done) == ("", 60)


def test_a_page_that_cannot_be_read_never_ends_the_job(home: SiteHome, site: Site) -> None:
    site.pages["/7.html"] = Answer(b"\xff\xfe\x00<html", headers={"Content-Type": "text/html"})
    site.pages["/8.html"] = Answer(b"GIF89a", headers={"Content-Type": "image/gif"})
    ref = home.create(shop(site))

    assert home.work(ref).state == "done"
    assert home.stats(ref).skipped == 1


def test_the_rate_holds_as_the_site_sees_it_with_two_shards(home: SiteHome, site: Site) -> None:
    most = 16
    ref = home.create(shop(site, rate=30.0, burst=1, concurrency=most))
    began = time.monotonic()
    first = Background(home.shard)
    until(lambda: home.stats(ref).total > 20)
    home.topup.run()
    second = Background(home.shard)
    first.join()
    second.join()
    home.work(ref)

    times = site.times()
    assert len(times) == 60
    # The gate lets through one each 1/30 s: none comes before it may. How late it comes is up to the
    # machine, and as many as may be in flight are late at once when that stands still.
    assert all(at - began > number / 30 - 0.05 for number, at in enumerate(times))
    busiest = max(sum(at <= other < at + 1 for other in times) for at in times)
    assert busiest <= 1 + 30 + most
    assert times[-1] - times[0] <= 60 / 30 + 20


def test_no_more_requests_are_in_flight_than_allowed(home: SiteHome, site: Site) -> None:
    site.pages.update(tree(60, hang=0.05))
    ref = home.create(shop(site, concurrency=9))
    first = Background(home.shard)
    until(lambda: home.stats(ref).total > 20)
    home.topup.run()
    second = Background(home.shard)
    first.join()
    second.join()

    assert home.work(ref).state == "done"
    assert max(hit.in_flight for hit in site.hits) in (8, 9)


@ALONE
def test_a_stop_is_quick_while_requests_hang_and_the_rest_is_resumed(
    home: SiteHome, site: Site
) -> None:
    hanging = {f"/{number}.html" for number in range(11, 26)}
    for path in hanging:
        page = site.pages[path]
        assert isinstance(page, Answer)
        site.pages[path] = Answer(page.body, hang=30)
    ref = home.create(shop(site, concurrency=15, limits={"timeout": "60s"}))
    crawl = Background(home.shard)
    until(lambda: hanging <= set(site.asked()))

    stopped_at = time.monotonic()
    home.stop(ref)
    assert crawl.join() is End.STOP

    assert time.monotonic() - stopped_at < 20
    assert home.job(ref).state == "stopped"
    assert home.stats(ref).in_progress == 0
    assert not [at for at in site.times() if at > stopped_at + 1]
    before = site.asked()
    done = home.stats(ref).done
    site.released.set()
    home.resume(ref)
    assert home.work(ref).state == "done"
    assert titles(home.items(ref)) == expected(60)
    again = [path for path, count in site.asked().items() if count > 1]
    assert set(again) <= hanging
    assert sum(site.asked().values()) - sum(before.values()) == 60 - done


def test_pages_of_a_higher_priority_come_first(home: SiteHome, site: Site) -> None:
    rules = [{"css": "a"}, {"css": "a", "match": r"/[7-9]\.html", "priority": 5}]
    ref = home.create(shop(site, follow=rules, concurrency=1))

    assert home.work(ref).state == "done"

    assert list(site.asked())[:5] == ["/0.html", "/7.html", "/8.html", "/9.html", "/1.html"]
    assert len(site.asked()) == 60


def test_a_shard_that_is_full_calls_another_one_at_once(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, concurrency=16))
    assert len(home.sent) == 1, "there is one page yet"
    first = Background(home.shard)

    until(lambda: len(home.sent) == 1 and home.stats(ref).done > 1)

    home.work(ref)
    first.join()
    assert titles(home.items(ref)) == expected(60)
    assert set(site.asked().values()) == {1}


@SLICED
def test_a_slice_is_bounded_and_hands_on(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, rate=1.0, burst=1))

    began = time.monotonic()
    assert home.shard() is End.SLICE
    assert 1 <= time.monotonic() - began < 20  # all pages take 60 s
    assert home.sent  # the successor
    home.hurry(ref)
    assert home.work(ref).state == "done"
    assert set(site.asked().values()) == {1}


@SLICED
def test_a_page_that_is_slower_than_slices_is_asked_for_once(home: SiteHome, site: Site) -> None:
    page = site.pages["/0.html"]
    assert isinstance(page, Answer)
    site.pages["/0.html"] = Answer(page.body, hang=6.5)
    ref = home.create(shop(site, limits={"timeout": "20s"}))

    assert home.shard() is End.SLICE
    assert home.stats(ref).done == 1
    assert home.work(ref).state == "done"
    assert set(site.asked().values()) == {1}


@SLICED
def test_a_stop_is_quick_also_when_the_slice_is_over_and_a_request_hangs(
    home: SiteHome, site: Site
) -> None:
    site.pages["/0.html"] = Answer(hang=30)
    ref = home.create(shop(site, limits={"timeout": "60s", "attempts": 1}))
    began = time.monotonic()
    crawl = Background(home.shard)
    until(lambda: time.monotonic() > began + 1.5)

    home.stop(ref)

    assert crawl.join() is End.STOP
    assert time.monotonic() - began < 20
    assert (home.stats(ref).queued, home.stats(ref).error) == (1, 0)


@SLICED
def test_what_does_not_end_with_its_slice_uses_up_its_attempts(
    home: SiteHome, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> Found:
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(Transport, "get", hang)
    monkeypatch.setattr("sites.crawl.crawl.SETTLE_S", 0.3)
    ref = home.create(shop(site, limits={"timeout": "0.5s", "attempts": 2}))

    job = home.work(ref)

    assert job.state == "failed"
    assert job.error.startswith("timeout: no whole answer before the slice ended")


def test_while_a_refresh_waits_a_job_gets_on_and_asks_for_nothing_twice(
    home: SiteHome, site: Site
) -> None:
    site.pages.update(tree(6, hang=1.2))
    ref = home.create(shop(site, concurrency=1))
    home.redis.set(home.keys.yield_wanted(), "refresh")

    began = time.monotonic()
    assert home.shard() is End.YIELD
    assert time.monotonic() - began >= 1
    assert home.work(ref).state == "done"
    assert set(site.asked().values()) == {1}


def test_a_shard_makes_room_for_whoever_waits(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, rate=1.0, burst=4))
    crawl = Background(home.shard)
    until(lambda: len(site.hits) > 3)

    began = time.monotonic()
    home.redis.set(home.keys.yield_wanted(), "refresh", px=60_000)

    assert crawl.join() is End.YIELD
    assert time.monotonic() - began < 20  # to the end of the job it would be 56
    assert home.stats(ref).in_progress == 0


def test_a_shard_ends_with_its_worker(home: SiteHome, site: Site) -> None:
    home.create(shop(site, rate=1.0, burst=4))
    crawl = Background(home.shard)
    until(lambda: len(site.hits) > 3)

    began = time.monotonic()
    (home.context.home.run / "worker.stopping").touch()

    assert crawl.join() is End.WORKER
    assert time.monotonic() - began < 20  # to the end of the job it would be 56


def test_a_shard_that_lost_its_lease_ends(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, rate=1.0, burst=4))
    crawl = Background(home.shard)
    until(lambda: len(site.hits) > 3)

    home.redis.delete(home.keys.job("shop", ref.id, "shards"))

    assert crawl.join() is End.LOST


def test_a_message_that_comes_twice_ends_at_once(home: SiteHome, site: Site) -> None:
    ref = home.create(shop(site, rate=30.0, burst=1))
    again = home.sent[0]
    crawl = Background(home.shard)
    until(lambda: len(site.hits) > 3)

    home.sent.append(again)
    assert home.shard() is None

    crawl.join()
    home.work(ref)
    assert set(site.asked().values()) == {1}


@pytest.mark.parametrize("settings", ["[sites]\nmax_undrained_mb = 1\n"], ids=["1 MB"])
def test_results_that_wait_stop_the_leasing_until_they_are_drained(home: SiteHome) -> None:
    pages = tree(60)
    text = "x" * 100_000
    for path, page in pages.items():
        big = f"<div class='item'><h2>{path} {text}</h2></div>"
        pages[path] = Answer(str(page.body).split("<div")[0] + big)
    with Site(pages) as site:
        ref = home.create(shop(site))
        crawl = Background(home.shard)
        waiting = home.keys.job("shop", ref.id, "health")
        until(lambda: "drained" in (home.redis.get(waiting) or ""))

        most = home.redis.get(home.keys.results_bytes())
        assert most
        assert 1_000_000 <= int(most) < 2_000_000
        assert home.stats(ref).done < 25

        def written() -> bool:
            home.drain()
            return home.stats(ref).done == 60

        until(written)
        crawl.join()
        assert home.work(ref).state == "done"
        assert len(home.items(ref)) == 60
        assert home.redis.get(home.keys.results_bytes()) == "0"


def test_why_a_job_does_not_get_on_is_told(home: SiteHome, site: Site) -> None:
    site.pages["/0.html"] = Answer(status=429, headers={"Retry-After": "20"})
    ref = home.create(shop(site))
    crawl = Background(home.shard)
    key = home.keys.job("shop", ref.id, "health")

    until(lambda: "waits for its next attempt" in (home.redis.get(key) or ""))

    home.stop(ref)
    crawl.join()


def test_a_page_that_takes_longer_than_its_lease_is_asked_for_once(
    home: SiteHome, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sites.shared.frontier.PAGE_TTL_S", 3.0)
    monkeypatch.setattr("sites.crawl.crawl.EXTEND_EVERY_S", 0.2)
    page = site.pages["/0.html"]
    assert isinstance(page, Answer)
    site.pages["/0.html"] = Answer(page.body, hang=4.5)
    ref = home.create(shop(site, limits={"timeout": "60s"}))

    assert home.work(ref).state == "done"
    assert set(site.asked().values()) == {1}


def test_a_page_that_breaks_what_works_on_it_uses_up_its_attempts(
    home: SiteHome, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sites.shared.frontier.PAGE_TTL_S", 2.0)
    monkeypatch.setattr("sites.crawl.crawl.EXTEND_EVERY_S", 0.2)
    get = Transport.get

    async def break_at_seven(self: Transport, url: str, proxy: Proxy | None, **how: Any) -> Found:
        if url.endswith("/7.html"):
            raise ZeroDivisionError
        return await get(self, url, proxy, **how)

    monkeypatch.setattr(Transport, "get", break_at_seven)
    ref = home.create(shop(site, limits={"attempts": 2}))

    job = home.work(ref)
    assert job.state == "partial"
    assert job.error == f"lease ran out 2 times ({site.url('/7.html')})"
    assert home.reason(ref, site.url("/7.html")) == "lease ran out 2 times"
    assert home.stats(ref).done == 59


def test_a_young_shard_works_on_for_a_moment_before_it_makes_room_for_another_job(
    home: SiteHome, site: Site
) -> None:
    home.create(shop(site, rate=1.0, burst=2))
    began = time.monotonic()
    crawl = Background(home.shard)
    until(lambda: len(site.hits) > 1)

    # Said again and again, as ticks do: the crawl itself looks around, and sees nobody who waits.
    wanted = home.keys.yield_wanted()
    until(lambda: home.redis.set(wanted, "sites", px=2500) and crawl.over)

    assert crawl.join() is End.YIELD
    assert 2 <= time.monotonic() - began < 20
