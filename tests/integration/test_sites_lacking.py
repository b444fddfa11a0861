"""Whole jobs whose pages are not what the site file says, and those with a class of the user's."""

from __future__ import annotations

from typing import Any

from tests.support.site_home import SiteHome, shop
from tests.support.site_server import Answer, Site

GOOD = "<div class=item><h2>x</h2><b>£5</b></div>"
CHANGED = "<div class=item><h2>x</h2><em>£5</em></div>"


def pages(site: Site, *bodies: str) -> None:
    """Let the site have these pages, each of which leads to all."""
    links = "".join(f"<a href=/{number}.html>x</a>" for number in range(len(bodies)))
    site.pages = {f"/{n}.html": Answer(links + body) for n, body in enumerate(bodies)}


def strict(site: Site, **more: Any) -> dict[str, Any]:
    fields = {
        "title": {"css": "h2::text", "required": True},
        "price": {"css": "b::text", "type": "money", "required": True},
    }
    return shop(site) | {"item": {"css": "div.item", "fields": fields, **more}}


def test_a_job_whose_items_lack_a_field_is_partial_and_names_it(home: SiteHome, site: Site) -> None:
    pages(site, GOOD, GOOD, GOOD, CHANGED * 2)

    job = home.work(home.create(strict(site)))

    assert (job.state, job.reason) == (
        "partial",
        "price is missing in 2 of 5 items: `orch sites check` shows what a page gives",
    )
    assert len(home.items(job.ref)) == 3


def test_a_few_items_may_lack_something(home: SiteHome, site: Site) -> None:
    pages(site, GOOD, GOOD, GOOD, GOOD, CHANGED)

    job = home.work(home.create(strict(site)))

    assert (job.state, job.reason) == ("done", "")


def test_how_many_is_for_the_site_file_to_say(home: SiteHome, site: Site) -> None:
    pages(site, GOOD, GOOD, GOOD, GOOD, CHANGED)

    assert home.work(home.create(strict(site, missing_most=0.1))).state == "partial"


def test_a_site_where_no_page_has_an_item_any_more_is_partial(home: SiteHome, site: Site) -> None:
    pages(site, *["<p>all is new</p>"] * 3)

    job = home.work(home.create(strict(site)))

    assert job.state == "partial"
    assert job.reason.startswith("no item on any of 3 pages")


def test_what_is_counted_survives_from_slice_to_slice(home: SiteHome, site: Site) -> None:
    """The record has it, not the shard: a stop in between loses nothing."""
    pages(site, CHANGED, GOOD, GOOD)
    ref = home.create(strict(site))
    home.shard()
    home.stop(ref)
    home.topup.run()

    record = home.redis.hgetall(home.keys.job(ref.site, ref.id, "record"))

    assert (record["looked"], record["items_seen"], record["lacks:price"]) == ("3", "3", "1")


OWN = """
from sites.scraper import Scraper
class Shop(Scraper):
    def items(self, page):
        yield {"title": page.css("h2::text")[0]}
"""


def test_a_job_runs_with_a_class_of_the_users(home: SiteHome, site: Site) -> None:
    pages(site, GOOD, GOOD)
    file = home.context.home.path / "sites" / "shop.py"
    file.parent.mkdir(mode=0o700)
    file.write_text(OWN)
    file.chmod(0o600)
    raw = shop(site) | {"python": "Shop"}
    del raw["item"]

    job = home.work(home.create(raw))

    assert job.state == "done"
    assert [line.partition(", ")[0] for line in home.items(job.ref)] == ['{"title": "x"'] * 2


def test_a_job_whose_class_others_may_write_is_stopped_and_can_go_on(
    home: SiteHome, site: Site
) -> None:
    pages(site, GOOD)
    file = home.context.home.path / "sites" / "shop.py"
    file.parent.mkdir(mode=0o700)
    file.write_text(OWN)
    file.chmod(0o666)
    raw = shop(site) | {"python": "Shop"}
    del raw["item"]
    ref = home.create(raw)

    job = home.work(ref)

    assert job.state == "stopped"
    assert "may be written by others: chmod go-w" in job.reason
    assert not site.hits
    file.chmod(0o600)
    home.resume(ref)
    assert home.work(ref).state == "done"
