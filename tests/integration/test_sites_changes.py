"""Two runs of a site that is not the same the second time."""

from __future__ import annotations

from typing import Any

from sites.results.changes import Changes, baseline
from sites.results.output import Results
from tests.support.site_home import SiteHome, shop
from tests.support.site_server import Answer, Site


def run(home: SiteHome, definition: dict[str, Any], end: str = "done") -> None:
    assert home.work(home.create(definition)).state == end
    home.drain()


def told(home: SiteHome) -> tuple[list[tuple[str, str]], list[str]]:
    with Results(home.context.home.site_results("shop")) as results:
        runs = results.runs()
        changes = Changes(results, runs[-1], baseline(runs, runs[-1]))
        return [(line["_change"], line["title"]) for line in changes.lines()], [*changes.notes()]


def test_what_changed_between_two_runs_is_told_by_the_key_of_the_site(
    home: SiteHome, site: Site
) -> None:
    definition = shop(site)
    definition["item"] = {**definition["item"], "key": "title"}
    run(home, definition)
    item = '<div class="item"><h2>{}</h2><b>{}</b></div>'
    site.pages["/7.html"] = Answer(item.format("item 7-1", 7.5) + item.format("item 7-0", 1))
    site.pages["/8.html"] = Answer(item.format("item 8-0", 8.5) + item.format("another", 1))

    run(home, definition)

    assert told(home) == (
        [("new", "another"), ("changed", "item 7-0"), ("gone", "item 8-1")],
        [],
    )
    site.pages["/7.html"] = Answer(status=401)
    run(home, definition, "partial")
    lines, notes = told(home)
    assert lines == []
    assert "what is gone is not told" in notes[0]


def test_a_run_that_reached_its_limit_has_not_seen_what_is_gone(home: SiteHome, site: Site) -> None:
    run(home, shop(site))

    run(home, shop(site, limits={"timeout": "5s", "pages": 20}), "partial")

    lines, notes = told(home)
    assert lines == []
    assert "limits.pages = 20 was reached" in notes[0]
