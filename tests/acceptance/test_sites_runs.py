"""Runs of sites by the services: by a schedule, one after the other, by processes that are replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.context import Context
from orchestrator.supervise.ownership import family
from sites.shared.record import Records
from tests.support.orch import Orch, a_home, eventually
from tests.support.site_server import Site, tree

#: Less than any process has: each is replaced after each of its tasks.
TOML = '[worker]\nconcurrency = 3\nrecycle_mb = 1\n[sites]\nslice = "1s"\n'
PAGES = 40
#: No moment of it comes while the test runs.
YEARLY = "0 0 1 1 *"

SHOP = """
start_urls = ["{url}"]
allow_private = true
robots = false
rate = {rate}
{more}
[[follow]]
[item]
css = "div.item"
fields = {{ title = "h2::text" }}
"""


@pytest.fixture
def orch(tmp_path: Path) -> Iterator[Orch]:
    with a_home(tmp_path / "home", TOML) as made:
        (made.home / "sites").mkdir(mode=0o700)
        made.up()
        yield made


def define(orch: Orch, site: Site, name: str, more: str = "", rate: int = 25) -> None:
    """Write a site file, at once: whoever looks for schedules reads it when he likes."""
    text = SHOP.format(url=site.url("/0.html"), more=more, rate=rate)
    file = orch.home / f"sites/{name}.toml"
    file.with_suffix(".new").write_text(text)
    file.with_suffix(".new").rename(file)


def test_a_schedule_starts_a_site_and_then_the_one_that_needs_it(orch: Orch) -> None:
    """All the while worker processes are replaced between slices, and nothing is lost or twice."""
    context = Context.load(orch.home)
    records = Records(context.redis, context.keys)
    with Site(tree(PAGES)) as site:
        define(orch, site, "list")
        define(orch, site, "shop", 'needs = ["list"]', rate=1000)
        assert orch("sites", "start", "shop", "--no-wait").returncode == 0
        (row,) = orch.json("sites", "status", "--json")
        assert (row["state"], row["health"]) == ("pending", "waiting")
        assert row["reason"].startswith("needs list, which has not run")
        before = set(family(orch.pid("worker"), "none"))
        # As if it was looked at last a good year ago; before there is a schedule nobody else writes that.
        at = int(context.redis.time()[0]) - 400 * 24 * 3600
        context.redis.hset(context.keys.due_jobs(), "list", f"{at} {YEARLY}")
        define(orch, site, "list", f'schedule = "{YEARLY}"')

        def ended() -> bool:
            ref = records.current("shop")
            job = records.read(ref) if ref else None
            return job is not None and not job.active

        eventually(ended, 120)
        assert set(site.asked().values()) == {2}  # once by each of them

    worker = orch.pid("worker")  # which goes on with its ticks
    eventually(lambda: not before & set(family(worker, "none")), 60, "each process to be replaced")
    for name in ("list", "shop"):
        items = orch("sites", "export", name).stdout.splitlines()
        assert len({json.loads(item)["title"] for item in items}) == len(items) == 2 * PAGES
    told = [event["event"] for event in orch.events() if event["event"].startswith("site.")]
    assert told == ["site.scheduled"]
