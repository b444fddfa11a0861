"""`orch sites check` and `orch sites new` as people type them, with no service running."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.orch import Orch
from tests.support.site_server import Answer, Site

SHOP = """
start_urls = ["{url}"]
allow_private = true
[[follow]]
[item]
css = "div.p"
[item.fields]
title = {{ css = "h2::text", required = true }}
price = {{ css = "b::text", type = "money" }}
"""
GOOD = "<div class=p><h2>[b]A[/b]</h2><b>£5</b></div><a href=/2>2</a>"
LIST = "<ul>" + "".join(f"<li class=c><a href=/item/{n}>{n}</a></li>" for n in range(4)) + "</ul>"
THING = (
    '<h1>T</h1><script type="application/ld+json">{"@type":"Product","name":"T","sku":"1"}</script>'
)
PAGES = {
    "/": Answer(GOOD),
    "/changed": Answer("<div class=p><em>A</em></div>"),
    "/moved": Answer(status=302, headers={"Location": "/"}),
    "/gone": Answer(status=404),
    "/list": Answer(LIST),
    **{f"/item/{n}": Answer(THING) for n in range(4)},
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site(PAGES) as server:
        yield server


@pytest.fixture(scope="module")
def orch(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Orch:
    found = Orch(tmp_path_factory.mktemp("home"))
    (found.home / "sites").mkdir(mode=0o700)
    (found.home / "sites" / "shop.toml").write_text(SHOP.format(url=site.url("/")))
    return found


def test_a_page_is_fetched_and_what_it_gives_is_shown(orch: Orch, site: Site) -> None:
    done = orch("sites", "check", "shop", "--url", site.url("/moved"))

    assert done.returncode == 0, done.stderr
    assert f"{site.url('/')}: 200 text/html" in done.stdout
    assert "1 item" in done.stdout
    assert "[b]A[/b]" in done.stdout  # nothing on a page is markup of ours
    assert "follow css 'a::attr(href)': 1 found, 1 followed" in done.stdout


def test_what_is_missing_is_told_and_is_the_exit_code(orch: Orch, site: Site) -> None:
    done = orch("sites", "check", "shop", "--url", site.url("/changed"), "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["items"], told["dropped"], told["missing"]) == ([], 1, {"title": 1})
    assert told["fields"][0]["missing"] == ["css 'h2::text' finds nothing"]


def test_a_saved_page_needs_no_network(orch: Orch) -> None:
    (orch.home / "page.html").write_text(GOOD)

    done = orch("sites", "check", "shop", "--file", "page.html", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["items"] == [{"title": "[b]A[/b]", "price": 5.0}]


def test_a_page_that_does_not_come_is_told(orch: Orch, site: Site) -> None:
    gone = orch("sites", "check", "shop", "--url", site.url("/gone"))
    none = orch("sites", "check", "shop", "--file", "none.html")
    assert (gone.returncode, none.returncode) == (1, 2)
    assert f"{site.url('/gone')}: gone" in gone.stderr
    assert "none.html: No such file" in none.stderr
    assert "Traceback" not in gone.stderr + none.stderr


def test_a_site_that_requires_proxies_is_not_asked_without_one(orch: Orch, site: Site) -> None:
    before = len(site.hits)
    text = 'proxies = "require"\n' + SHOP.format(url=site.url("/"))
    (orch.home / "sites" / "hidden.toml").write_text(text)

    done = orch("sites", "check", "hidden", "--url", site.url("/"))

    assert done.returncode == 2
    assert "--file" in done.stderr
    assert len(site.hits) == before


def test_a_new_site_file_passes_its_check_and_is_never_overwritten(orch: Orch, site: Site) -> None:
    made = orch("sites", "new", site.url("/list"), "--name", "fresh")

    file: Path = orch.home / "sites" / "fresh.toml"
    assert made.returncode == 0, made.stderr
    assert "sku" in made.stdout
    checked = orch("sites", "check", "fresh", "--url", site.url("/item/1"), "--json")
    assert json.loads(checked.stdout)["items"] == [{"name": "T", "sku": "1"}]
    assert orch("sites", "check", "fresh").returncode == 0
    text = file.read_text() + "# mine\n"
    file.write_text(text)
    again = orch("sites", "new", site.url("/list"), "--name", "fresh")
    assert again.returncode == 2
    assert "is there already, and stays" in again.stderr
    assert file.read_text() == text


def test_a_page_that_cannot_be_had_leaves_no_file(orch: Orch, site: Site) -> None:
    done = orch("sites", "new", site.url("/gone"), "--name", "nothing")

    assert done.returncode == 1
    assert not (orch.home / "sites" / "nothing.toml").exists()
    orch.refuses("sites", "new", "no url", told=["is no URL"])
    orch.refuses("sites", "new", site.url("/"), "--name", "../x", told=["name = '../x'"])
