"""Runs that ask only for what has changed, with and without Redis: the same as runs that ask for all."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.gate.local import LocalStore
from sites.crawl.file_picker import FilePicker
from sites.job.job import Job
from sites.local.jobs import LocalJobs
from sites.results.changes import Changes, baseline
from sites.results.output import Results
from tests.support.site_home import SiteHome, shop
from tests.support.site_server import Answer, Site, tree

PAGES = 50

#: Crawls the site by a definition to its end.
Run = Callable[[dict[str, Any]], Job]


def proven(page: Answer) -> Answer:
    """The page with an ETag of its own."""
    body = page.body if isinstance(page.body, bytes) else page.body.encode()
    return replace(page, headers={"ETag": f'"{hashlib.sha256(body).hexdigest()[:8]}"'})


@pytest.fixture
def site() -> Iterator[Site]:
    with Site({path: proven(page) for path, page in tree(PAGES).items()}) as server:
        yield server


def by_workers(home: SiteHome) -> Run:
    def run(definition: dict[str, Any]) -> Job:
        ref = home.create(definition)
        home.work(ref)
        home.drain()
        return home.job(ref)

    return run


def in_one_process(home: SiteHome) -> Run:
    context = home.context
    folder = context.home.path / "sites"
    folder.mkdir(mode=0o700)

    def run(definition: dict[str, Any]) -> Job:
        (folder / "shop.toml").write_text(_toml(definition))
        with LocalJobs(context).started(["shop"]) as (crawl,):
            asyncio.run(crawl.run(LocalStore(), FilePicker(context.home.live_proxies)))
            return crawl.record.job

    return run


@pytest.fixture(params=[by_workers, in_one_process], ids=["workers", "local"])
def run(request: pytest.FixtureRequest, home: SiteHome) -> Run:
    found: Run = request.param(home)
    return found


def items(home: SiteHome, job: Job) -> list[dict[str, Any]]:
    with Results(home.context.home.site_results("shop")) as results:
        return list(results.items(job.ref.id))


def changes(home: SiteHome) -> list[tuple[str, str]]:
    with Results(home.context.home.site_results("shop")) as results:
        runs = results.runs()
        found = Changes(results, runs[-1], baseline(runs, runs[-1]))
        return sorted((line["_change"], line["title"]) for line in found.lines())


def test_only_what_changed_is_read_and_the_result_is_that_of_a_whole_run(
    home: SiteHome, site: Site, run: Run
) -> None:
    definition = shop(site)
    definition["item"] = {**definition["item"], "key": "title"}
    first = run(definition | {"changed_only": True})
    assert first.unchanged == 0
    assert len(items(home, first)) == 2 * PAGES
    for path, old, new in (
        ("/7.html", "£7.50", "£8"),
        ("/40.html", "item 40-0", "another"),
        ("/49.html", "page 49", "the same items"),
    ):
        page = site.pages[path]
        assert isinstance(page, Answer)
        assert isinstance(page.body, str)
        site.pages[path] = proven(replace(page, body=page.body.replace(old, new)))

    second = run(definition | {"changed_only": True})

    assert (second.state, second.unchanged, second.items) == ("done", PAGES - 3, 2 * PAGES)
    assert changes(home) == [
        *(("changed", "item 7-0"), ("changed", "item 7-1")),
        *(("gone", "item 40-0"), ("new", "another")),
    ]
    third = run(definition | {"changed_only": True})
    assert (third.unchanged, changes(home)) == (PAGES, [])
    whole = run(definition)
    assert whole.unchanged == 0
    assert items(home, second) == items(home, third) == items(home, whole)
    last = run(definition | {"changed_only": True})  # by what the third run knows
    assert (last.unchanged, items(home, last)) == (PAGES, items(home, whole))


def test_a_page_that_no_changed_page_leads_to_any_more_is_gone_as_in_a_whole_run(
    home: SiteHome, site: Site, run: Run
) -> None:
    run(shop(site) | {"changed_only": True})
    page = site.pages["/1.html"]
    assert isinstance(page, Answer)
    assert isinstance(page.body, str)
    site.pages["/1.html"] = proven(replace(page, body=page.body.replace('href="/12.html"', "")))
    site.hits.clear()

    job = run(shop(site) | {"changed_only": True})

    assert job.unchanged == PAGES - 2
    assert "/12.html" not in site.asked()
    assert changes(home) == [("gone", "item 12-0"), ("gone", "item 12-1")]


def test_by_another_definition_everything_is_read_anew(
    home: SiteHome, site: Site, run: Run
) -> None:
    definition = shop(site)
    run(definition | {"changed_only": True})
    definition["item"] = {**definition["item"], "fields": {"title": "b::text"}}

    job = run(definition | {"changed_only": True})

    assert job.unchanged == 0
    assert {item["title"] for item in items(home, job)} == {f"£{n}.50" for n in range(PAGES)}


def test_a_site_that_answers_unchanged_without_being_asked_is_not_believed(
    home: SiteHome, site: Site, run: Run
) -> None:
    site.pages["/7.html"] = Answer(status=304)

    job = run(shop(site))

    assert (job.state, job.unchanged) == ("partial", 0)


def _toml(definition: dict[str, Any]) -> str:
    """The definition as a site file."""
    named = {name: value for name, value in definition.items() if name != "name"}
    return "\n".join(f"{name} = {_inline(value)}" for name, value in named.items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_inline(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
