"""From a page to its items and links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.home import Home
from sites.definition.definition import Definition
from sites.definition.registry import Registry
from sites.extract.document import Unreadable
from sites.extract.extract import Extractor
from sites.fetch.answer import Page

PAGE = """<html><head><base href="/shop/"></head><body>
<div class="p"><h2>A &amp; B</h2><b>£1,234.50</b><i>x</i><i>y</i><a href="one.html">more</a></div>
<div class="p"><h2> </h2><b>£2</b></div>
<div class="p"><h2>C<br>D<script>no()</script></h2></div>
<a href="two.html#top">2</a><a href="two.html">2 again</a><a>no link</a>
<a href="http://other.example/">out</a><a href="mailto:a@b">mail</a><a href="/list">self</a>
<a href="skip.html">skip</a></body></html>"""

URL = "http://shop.example/list"


def site(**more: Any) -> Definition:
    fields = {
        "name": {"css": "h2::text", "required": True},
        "price": {"css": "b::text", "type": "money"},
        "tags": {"css": "i::text", "type": "list"},
        "count": {"css": "i", "type": "count"},
        "url": {"css": "a::attr(href)", "type": "url"},
    }
    raw = {
        "name": "shop",
        "start_urls": ["http://shop.example/"],
        "item": {"css": "div.p", "fields": fields},
        **more,
    }
    return Definition.model_validate(raw)


def page(html: str) -> Page:
    return Page(200, html.encode(), charset="utf-8")


def test_a_page_yields_many_items_with_typed_fields() -> None:
    found = Extractor(site()).extract(page(PAGE), URL)

    assert found.items == [
        {
            "name": "A & B",
            "price": 1234.5,
            "tags": ["x", "y"],
            "count": 2,
            "url": "http://shop.example/shop/one.html",
        },
        {"name": "C D", "price": None, "tags": [], "count": 0, "url": None},
    ]


def test_an_item_without_a_required_field_is_none_and_is_counted() -> None:
    assert Extractor(site()).extract(page(PAGE), URL).missing == {"name": 1}


def test_only_pages_that_match_have_items() -> None:
    item = {"match": r"/book/\d+$", "fields": {"name": "h2::text"}}
    extractor = Extractor(site(item=item))

    assert extractor.extract(page(PAGE), URL).items == []
    assert extractor.extract(page(PAGE), "http://shop.example/book/7").items == [{"name": "A & B"}]


def test_without_css_the_page_is_the_item() -> None:
    item = {"fields": {"titles": {"css": "h2::text", "type": "list"}}}

    found = Extractor(site(item=item)).extract(page(PAGE), URL)

    assert found.items == [{"titles": ["A & B", "C D"]}]


def test_a_match_cuts_the_value_out_of_the_text_with_its_line_breaks() -> None:
    item = {"css": "div.p:nth-of-type(3)", "fields": {"first": {"css": "h2", "match": "^[^\\n]+"}}}

    assert Extractor(site(item=item)).extract(page(PAGE), URL).items == [{"first": "C"}]


def test_links_are_canonical_once_each_and_on_allowed_hosts_only() -> None:
    follow = [{"css": "a", "exclude": "skip"}]

    found = Extractor(site(follow=follow)).extract(page(PAGE), URL)

    assert found.links == [
        "http://shop.example/shop/one.html",
        "http://shop.example/shop/two.html",
    ]


def test_links_can_be_chosen_by_their_url() -> None:
    found = Extractor(site(follow=[{"match": "/two"}])).extract(page(PAGE), URL)

    assert found.links == ["http://shop.example/shop/two.html"]


def test_without_rules_no_link_is_followed() -> None:
    assert Extractor(site()).extract(page(PAGE), URL).links == []


def test_a_page_has_no_more_links_than_allowed() -> None:
    html = "".join(f"<a href='/{n}'>x</a>" for n in range(100))
    found = Extractor(site(follow=[{}], limits={"links_per_page": 7})).extract(page(html), URL)

    assert len(found.links) == 7


def test_what_is_no_html_yields_nothing() -> None:
    for text in ("\0\0\0", "plain text", "<", "{}"):
        assert Extractor(site(follow=[{}])).extract(page(text), URL).items == []


def test_pages_of_pydoc_are_understood(tmp_path: Path) -> None:
    html = """<table class="heading"><tr class="heading-text decor">
<td class="title">&nbsp;<br><strong class="title">queue</strong></td>
<td class="extra"><a href=".">index</a><br><a href="file:/q.py">/q.py</a><br>
<a href="https://docs.python.org/3.11/library/queue.html">Module Reference</a></td></tr></table>
    <p><span class="code">A&nbsp;queue.<br>More.</span></p>
<table class="section"><tr class="decor pkg-content-decor heading-text"><td>Modules</td></tr>
<tr><td class="multicolumn"><a href="types.html">types</a><br></td></tr></table>
<table class="section"><tr class="decor title-decor heading-text">
<td class="section-title"><a name="Empty">class <strong>Empty</strong></a></td></tr></table>
<dl><dt><a name="-get"><strong>get</strong></a></dt></dl>"""
    pydocs = Registry(Home(tmp_path)).get("pydocs").definition

    found = Extractor(pydocs).extract(page(html), "http://127.0.0.1:8000/queue.html")

    assert found.items == [
        {
            "module": "queue",
            "synopsis": "A queue.",
            "classes": 1,
            "functions": 1,
            "reference": "https://docs.python.org/3.11/library/queue.html",
            "modules": ["types"],
        }
    ]
    assert found.links == ["http://127.0.0.1:8000/types.html"]


@pytest.mark.parametrize(
    ("fields", "html", "expected"),
    [
        ({"a": {"css": "h1.a::text", "required": True}}, "<h1 class=a>x</h1>", True),
        ({"a": {"css": "h1.a::text", "required": True}}, "<h2 class=a>x</h2>", False),
        ({"a": {"css": "h1.a::text", "required": True}}, "", False),
        ({"a": {"css": "h1.a::text"}}, "<h1 class=a>x</h1>", False),
        # A challenge has that, too.
        ({"a": {"css": "h1::text", "required": True}}, "<h1>Are you a robot?</h1>", False),
        ({"a": {"xpath": "//h1/text()", "required": True}}, "<h1>Are you a robot?</h1>", False),
        ({"a": {"xpath": "//h1[@id]", "required": True}}, "<h1 id=x>Are you</h1>", True),
        ({"a": {"xpath": "//aside/a/@href", "required": True}}, "<aside><a href=x>b", True),
    ],
)
def test_a_page_has_what_is_expected_of_it_if_nothing_required_is_missing(
    fields: dict[str, object], html: str, expected: bool
) -> None:
    raw = {"name": "s", "start_urls": ["http://h.example/"], "item": {"fields": fields}}
    extractor = Extractor(Definition.model_validate(raw))
    page = Page(200, html.encode())
    assert extractor.expects(page, "http://h.example/") is expected
    assert not extractor.expects(Page(200, b"{"), "http://h.example/")


@pytest.mark.parametrize(("match", "required"), [(None, True), ("/x$", True)])
def test_an_empty_page_where_something_must_be_is_no_page(
    match: str | None, *, required: bool
) -> None:
    item = {"match": match, "fields": {"a": {"css": "h1::text", "required": required}}}
    raw = {"name": "s", "start_urls": ["http://h.example/"], "item": item}

    with pytest.raises(Unreadable, match="the page is empty"):
        Extractor(Definition.model_validate(raw)).extract(Page(200, b""), "http://h.example/x")


@pytest.mark.parametrize(("match", "required"), [(None, False), ("/y$", True)])
def test_an_empty_page_may_be_one_that_has_no_items(match: str | None, *, required: bool) -> None:
    item = {"match": match, "fields": {"a": {"css": "h1::text", "required": required}}}
    raw = {"name": "s", "start_urls": ["http://h.example/"], "item": item}
    extractor = Extractor(Definition.model_validate(raw))

    assert not extractor.extract(Page(200, b""), "http://h.example/x").items
