"""Items by XPath, JSON and JSON-LD, and what a site file may not say of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sites.definition.definition import Definition
from sites.extract.document import Unreadable
from sites.extract.extract import Extracted, Extractor
from sites.fetch.answer import Page

URL = "http://shop.example/list"


def site(item: dict[str, Any], **more: Any) -> Definition:
    raw = {"name": "shop", "start_urls": ["http://shop.example/"], "item": item, **more}
    return Definition.model_validate(raw)


def extract(item: dict[str, Any], text: str, media: str = "text/html", **more: Any) -> Extracted:
    return Extractor(site(item, **more)).extract(Page(200, text.encode(), media), URL)


def test_items_are_found_by_xpath_and_their_fields_seen_from_them() -> None:
    html = "<ul><li><a href='/1'>A</a> 5 <li><a href='/2'>B</a><b>2024-03-05</b></ul>"
    fields = {
        "name": ".//a/text()",
        "url": {"xpath": ".//a/@href", "type": "url"},
        "day": {"xpath": "./b", "type": "date"},
        "links": {"xpath": ".//a", "type": "count"},
        "rest": {"xpath": "./text()", "match": r"\d"},
    }

    found = extract({"xpath": "//li", "fields": fields}, html)

    assert found.items == [
        {"name": "A", "url": "http://shop.example/1", "day": None, "links": 1, "rest": "5"},
        {
            "name": "B",
            "url": "http://shop.example/2",
            "day": "2024-03-05",
            "links": 1,
            "rest": None,
        },
    ]


def test_items_of_an_api_keep_their_numbers() -> None:
    text = """{"data": {"items": [
        {"sku": "a", "price": 1.234, "n": 7, "on": true, "tags": ["x", "y"], "at": 1709632800},
        {"sku": "b", "price": "1.234,50", "n": 7.5, "on": null, "tags": [], "at": null},
        {"price": 1e999}]}}"""
    fields = {
        "sku": {"json": "sku", "required": True},
        "price": {"json": "price", "type": "money"},
        "n": {"json": "n", "type": "int"},
        "on": "on",
        "tags": {"json": "tags", "type": "list"},
        "at": {"json": "at", "type": "date"},
    }

    found = extract({"json": "data.items", "fields": fields}, text, "application/json")

    assert found.items == [
        {
            "sku": "a",
            "price": 1.234,
            "n": 7,
            "on": "true",
            "tags": ["x", "y"],
            "at": "2024-03-05T10:00:00+00:00",
        },
        {"sku": "b", "price": 1234.5, "n": None, "on": None, "tags": [], "at": None},
    ]
    assert (found.missing, found.dropped) == ({"sku": 1}, 1)


def test_a_page_that_is_no_json_where_json_should_be_is_a_failure_and_no_page_without_items() -> (
    None
):
    with pytest.raises(Unreadable, match="the page is no JSON"):
        extract({"json": "items", "fields": {"a": "a"}}, "<h1>Come again later</h1>")


def test_items_are_found_in_json_ld_and_a_field_of_it_stands_beside_css() -> None:
    html = """<script type="application/ld+json">[{"@type": "Product", "name": "Lamp",
      "offers": {"price": "19.99"}}, {"@type": "Product", "name": "Desk"}]</script><h1>Shop</h1>"""
    price = {"jsonld": "offers.price", "type": "money"}

    each = extract({"jsonld": "Product", "fields": {"name": "name", "price": price}}, html)
    page = extract({"fields": {"shop": "h1::text", "first": {"jsonld": "Product.name"}}}, html)

    assert each.items == [{"name": "Lamp", "price": 19.99}, {"name": "Desk", "price": None}]
    assert page.items == [{"shop": "Shop", "first": "Lamp"}]


def test_a_date_that_may_be_two_days_is_none_without_an_order() -> None:
    html = "<b>05/03/2024</b>"

    assert extract({"fields": {"d": {"css": "b", "type": "date"}}}, html).items == [{"d": None}]
    ordered = {"css": "b", "type": "date", "order": "dmy"}
    assert extract({"fields": {"d": ordered}}, html).items == [{"d": "2024-03-05"}]


def test_what_lacks_something_is_counted_once_as_dropped() -> None:
    fields = {name: {"css": name, "required": True} for name in ("b", "i")}

    found = extract({"css": "p", "fields": fields}, "<p><p><b>x</b><p><b>x</b><i>y</i>")

    assert (len(found.items), found.dropped, found.missing) == (1, 2, {"b": 1, "i": 2})


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ({}, "must have fields"),
        (
            {"fields": {"a": {"css": "b", "xpath": "//b"}}},
            "one of css, xpath, json and jsonld only",
        ),
        ({"fields": {"a": {"type": "int"}}}, "must say where it is"),
        ({"fields": {"a": {"css": "b", "order": "dmy"}}}, "order means nothing"),
        ({"fields": {"a": "//b"}}, "an XPath goes into xpath ="),
        ({"fields": {"a": {"json": "a["}}}, "this JSON path cannot be understood"),
        ({"fields": {"a": {"jsonld": "a b"}}}, "names with dots between them"),
        ({"fields": {"1a": "b"}}, "should match pattern"),
        ({"fields": {"a": "b"}, "key": ["b"]}, "key: 'b' is no field"),
        ({"fields": {"a": "b"}, "required": ["a"]}, "say it in the field itself"),
        ({"fields": {"a": "b"}, "missing_most": 1.5}, "less than or equal to 1"),
        ({"css": "p", "fields": {"a": {"xpath": ".//b"}}}, "the item is found by css"),
        ({"xpath": "//p", "fields": {"a": "//b"}}, "looks at the whole page: .//b at the item"),
    ],
)
def test_what_cannot_be_meant_is_told(item: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        site(item)


@pytest.mark.parametrize(
    "item",
    [
        {"fields": {"a": "b"}, "key": "a"},
        {"json": "x[*]", "fields": {"a": "b", "c": {"json": "d", "type": "date", "order": "mdy"}}},
        {"xpath": "//p", "fields": {"a": {"xpath": "./@a", "required": True}}, "missing_most": 0},
        {"jsonld": "Product", "fields": {"a": "name"}},
    ],
)
def test_a_definition_that_was_stored_with_a_job_comes_back(item: dict[str, Any]) -> None:
    follow = [{}, {"numbered": "http://shop.example/?p={n}"}, {"sitemap": True}, {"json": "next"}]
    follow.append({"cursor": {"json": "meta.next", "param": "c"}})
    found = site(item, follow=follow)

    assert Definition.model_validate_json(found.model_dump_json()) == found
