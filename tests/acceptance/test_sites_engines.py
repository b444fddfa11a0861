"""The same site with the workers and with --local, as people type it: the same result."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.block_pages import BLOCKS
from tests.support.orch import Orch, a_home, eventually
from tests.support.site_server import Answer, Site, tree

PAGES = 30
IN_FLIGHT = 4
SITE = """
start_urls = ["{url}"]
allow_private = true
rate = "2000/s"
adaptive = false
concurrency = 4
[limits]
timeout = "2m"
attempts = 2
[breaker]
failures = 100
[[follow]]
css = "a"
[item]
css = "div.item"
key = "title"
[item.fields]
title = "h2::text"
price = {{ css = "b::text", type = "money" }}
"""
ROBOTS = Answer("User-agent: *\nDisallow: /private", headers={"Content-Type": "text/plain"})
ITEM = '<div class="item"><h2>{}</h2><b>£{}</b></div>'


@dataclass
class Engine:
    """A home, and the words that say who crawls."""

    orch: Orch
    words: tuple[str, ...]

    def define(self, name: str, site: Site) -> None:
        text = SITE.format(url=site.url("/0.html"))
        (self.orch.home / f"sites/{name}.toml").write_text(text)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.orch("sites", *words, *self.words)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def row(self, name: str) -> dict[str, Any]:
        (found,) = self.orch.json("sites", "status", name, "--json")
        return dict(found)

    def export(self, name: str, *words: str) -> list[dict[str, Any]]:
        done = self.orch("sites", "export", name, *words)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module", params=["celery", "local"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    with a_home(tmp_path_factory.mktemp(request.param) / "home") as orch:
        (orch.home / "sites").mkdir(mode=0o700)
        if request.param == "celery":
            orch.up()
        yield Engine(orch, ("--local",) if request.param == "local" else ())


def odd_pages() -> dict[str, Answer | Callable[[int], Answer]]:
    """A tree, and pages that lead elsewhere, come late, never, or not as themselves."""
    names = ("moved", "late", "broken", "gone", "private", "captcha")
    links = "".join(f'<a href="/{name}.html">{name}</a>' for name in names)
    pages: dict[str, Answer | Callable[[int], Answer]] = {**tree(PAGES)}
    block = BLOCKS["cloudflare managed challenge, 200, no header"]
    return pages | {
        "/robots.txt": ROBOTS,
        "/0.html": Answer(links + str(tree(PAGES)["/0.html"].body)),
        "/moved.html": Answer(status=301, headers={"Location": "/here.html"}),
        "/here.html": Answer(ITEM.format("here", 3)),
        "/late.html": lambda before: (
            Answer(ITEM.format("late", 4)) if before else Answer(status=500)
        ),
        "/broken.html": Answer(status=500),
        "/captcha.html": Answer(block.body),
        "/private.html": Answer(ITEM.format("private", 5)),
    }


def test_a_site_gives_the_same_with_the_workers_and_without(engine: Engine) -> None:
    with Site(odd_pages()) as site:
        engine.define("odd", site)

        done = engine("start", "odd")

        assert done.returncode == 6, done.stdout + done.stderr
        once = {f"/{number}.html": 1 for number in range(PAGES)}
        once |= dict.fromkeys(("/robots.txt", "/moved.html", "/here.html", "/gone.html"), 1)
        assert site.asked() == once | {"/late.html": 2, "/broken.html": 2, "/captcha.html": 2}
        counts = {"known": PAGES + 7, "done": PAGES + 2, "failed": 2, "skipped": 3}
        row = engine.row("odd")
        assert {name: row[f"pages_{name}"] for name in counts} == counts
        assert (row["state"], row["items"], row["in_flight"]) == ("partial", 2 * PAGES + 2, 0)
        items = engine.export("odd")
        titles = {f"item {number}-{part}" for number in range(PAGES) for part in range(2)}
        assert {item["title"] for item in items} == titles | {"here", "late"}
        assert len(items) == 2 * PAGES + 2
        words = ("sites", "failures", "odd", "--json", "--class")
        skipped = engine.orch.json(*words, "gone", "--class", "robots")
        failed = engine.orch.json("sites", "failures", "odd", "--json")
        told = [(each["url"], each["kind"], each["attempts"]) for each in (*failed, *skipped)]
        assert told == [
            (site.url("/broken.html"), "http_5xx", 2),
            (site.url("/captcha.html"), "soft_block", 2),
            (site.url("/gone.html"), "gone", 1),
            (site.url("/private.html"), "robots", 1),
        ]

        site.pages |= {"/broken.html": Answer(""), "/captcha.html": Answer("")}
        again = engine("retry-failed", "odd")

        assert again.returncode == 0, again.stdout + again.stderr
        assert engine.row("odd")["state"] == "done"
        assert sum(site.asked().values()) == PAGES + 4 + 3 * 2 + 2

        site.pages |= {"/here.html": Answer(ITEM.format("here", 9)), "/gone.html": Answer("")}
        site.pages["/late.html"] = Answer(ITEM.format("new", 1))
        assert engine("start", "odd").returncode == 0

        changes = [(line["_change"], line["title"]) for line in engine.export("odd", "--changed")]
        assert sorted(changes) == [("changed", "here"), ("gone", "late"), ("new", "new")]


def test_what_is_stopped_goes_on_with_the_rest(engine: Engine) -> None:
    late = {path: replace(page, hang=120) for path, page in [*tree(PAGES).items()][12:]}
    with Site(tree(PAGES) | late | {"/robots.txt": ROBOTS}) as site:
        engine.define("shop", site)
        process = engine.orch.popen("sites", "start", "shop", *engine.words)
        # In whatever order: when all that may be in flight is late, nothing else is.
        eventually(lambda: len(site.asked().keys() & late.keys()) == IN_FLIGHT, 60)
        answered = len(site.asked().keys() - late.keys() - {"/robots.txt"})

        other = () if engine.words else ("--local",)
        refused = engine.orch("sites", "start", "shop", *other)
        assert refused.returncode == 75, refused.stderr
        assert "crawling it" in refused.stderr
        stopped = engine.orch("sites", "stop", "shop")

        assert (stopped.returncode, stopped.stdout) == (0, "shop: stopped\n"), stopped.stderr
        process.communicate(timeout=60)
        assert process.returncode == 6
        row = engine.row("shop")
        assert (row["state"], row["reason"]) == ("stopped", "stopped on request")
        assert (row["pages_done"], row["in_flight"]) == (answered, 0)
        site.released.set()
        done = engine("resume", "shop")
        assert done.returncode == 0, done.stdout + done.stderr
        assert row["job_id"] == engine.row("shop")["job_id"]
        again = {path: count - 1 for path, count in site.asked().items() if count > 1}
        assert sum(again.values()) == IN_FLIGHT
        assert set(again) <= set(late)
        assert len(engine.export("shop")) == 2 * PAGES
