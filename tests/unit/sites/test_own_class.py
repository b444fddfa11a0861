"""A class of the user's own: what it may be, and from whom it may come."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import ConfigError
from sites.definition.definition import Definition
from sites.extract.document import Unreadable
from sites.extract.extract import Extracted, Extractor
from sites.extract.own_class import load
from sites.fetch.answer import Page

SHOP = """
from dataclasses import dataclass
from sites.scraper import Scraper

@dataclass
class Row:
    sku: str

class Shop(Scraper):
    def items(self, page):
        for raw in page.css("td::text"):
            yield {"sku": Row(raw).sku, "from": page.url}

    def links(self, page):
        yield "/next"
        yield "http://elsewhere.example/"
"""


def site(**more: Any) -> Definition:
    raw = {"name": "shop", "start_urls": ["http://shop.example/"], "python": "Shop", **more}
    return Definition.model_validate(raw)


def write(folder: Path, text: str = SHOP) -> Path:
    path = folder / "shop.py"
    path.write_text(text)
    path.chmod(0o600)
    folder.chmod(0o700)
    return path


def extract(folder: Path, html: str, definition: Definition) -> Extracted:
    page = Page(200, html.encode())
    return Extractor(definition, load(definition, folder)).extract(page, "http://shop.example/")


def test_a_class_says_what_the_items_and_links_are(tmp_path: Path) -> None:
    write(tmp_path)
    definition = site(item={"required": ["sku"], "key": "sku"}, follow=[{"match": "/p"}])

    found = extract(tmp_path, "<table><td>a<td><td>b</table><a href=/p>p</a>", definition)

    assert [item["sku"] for item in found.items] == ["a", "b"]
    assert (found.dropped, found.missing) == (1, {"sku": 1})
    assert found.links == ["http://shop.example/next", "http://shop.example/p"]


def test_nothing_is_loaded_for_a_site_that_names_no_class(tmp_path: Path) -> None:
    write(tmp_path, "raise SystemExit('run')")

    assert load(site(python=None, item={"fields": {"a": "b"}}), tmp_path) is None


def test_a_change_counts_at_the_next_loading(tmp_path: Path) -> None:
    write(tmp_path)
    load(site(), tmp_path)
    write(tmp_path, SHOP.replace("td::text", "th::text"))

    assert extract(tmp_path, "<table><td>a<th>b</table>", site()).items[0]["sku"] == "b"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_run(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, "raise SystemExit('run')")
    path.chmod(mode)

    with pytest.raises(ConfigError, match=r"may be written by others: chmod go-w .*shop.py"):
        load(site(), tmp_path)


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777])
def test_a_file_in_a_folder_that_others_may_write_is_not_run(tmp_path: Path, mode: int) -> None:
    write(tmp_path, "raise SystemExit('run')")
    tmp_path.chmod(mode)

    with pytest.raises(ConfigError, match=f"{tmp_path}: may be written by others"):
        load(site(), tmp_path)


def test_a_link_is_followed_to_the_folder_that_counts(tmp_path: Path) -> None:
    open_folder, sites = tmp_path / "open", tmp_path / "sites"
    open_folder.mkdir()
    sites.mkdir()
    (sites / "shop.py").symlink_to(write(open_folder, "raise SystemExit('run')"))
    open_folder.chmod(0o777)

    with pytest.raises(ConfigError, match="open: may be written by others"):
        load(site(), sites)


@pytest.mark.machine  # only root may give a file away
def test_a_file_of_somebody_else_is_not_run(tmp_path: Path) -> None:
    os.chown(write(tmp_path, "raise SystemExit('run')"), 12345, -1)

    with pytest.raises(ConfigError, match="belongs to user 12345, and we are 0"):
        load(site(), tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (", r"shop.py:1: SyntaxError: '\(' was never closed"),
        ("x = 1\nimport no_such_module", r"shop.py:2: ModuleNotFoundError: No module named"),
        ("x = 1\nx.y", "shop.py:2: AttributeError"),
        ("class Shop: pass", "has no class Shop of sites.scraper.Scraper"),
        ("Shop = 5", "has no class Shop"),
        (SHOP + "\n    def __init__(self):\n        self.x = 1 / 0", "ZeroDivisionError"),
        ("#" * 1_000_001, "is no file of Python code"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, text)

    with pytest.raises(ConfigError, match=told):
        load(site(), tmp_path)


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"shop.py: No such file"):
        load(site(), tmp_path)


@pytest.mark.parametrize("value", ["page", "float('nan')", "{1}", "b'x'"])
def test_an_item_that_could_not_be_written_fails_its_page(tmp_path: Path, value: str) -> None:
    write(tmp_path, SHOP.replace("Row(raw).sku", value))

    with pytest.raises(Unreadable, match="an item is no JSON"):
        extract(tmp_path, "<table><td>a</table>", site())


@pytest.mark.parametrize("method", ["items", "links"])
def test_an_exception_fails_its_page_with_its_line(tmp_path: Path, method: str) -> None:
    write(tmp_path, SHOP + f"\n    def {method}(self, page):\n        return [len(page.nothing)]\n")

    with pytest.raises(Unreadable, match=r"^shop.py:19: AttributeError: .*nothing"):
        extract(tmp_path, "<table><td>a</table>", site())


def test_a_site_file_says_items_or_names_a_class_and_not_both() -> None:
    with pytest.raises(ValueError, match="the class Shop says what the items are"):
        site(item={"fields": {"a": "b"}})
