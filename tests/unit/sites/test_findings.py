"""What would be taken from a page, and of everything that would not, why."""

from __future__ import annotations

from typing import Any

import pytest

from sites.definition.definition import Definition
from sites.draft.findings import Findings, look
from sites.fetch.answer import Page
from sites.scraper import Scraper

PAGE = """<div class=p><h2>A</h2><b>£5</b><i>05/03/2024</i><img></div>
<div class=p><h2> </h2><b>free</b><i>in stock</i></div><div class=p></div>
<a href=/i/1>1</a><a href=/i/1>again</a><a href=http://x.example/i/2>2</a><a href=/about>2</a>"""
FIELDS = {
    "name": {"css": "h2::text", "required": True},
    "price": {"css": "b::text", "type": "money"},
    "day": {"css": "i", "type": "date"},
    "left": {"css": "i", "match": r"\d+ left"},
    "image": {"css": "img::attr(src)", "type": "url"},
}


def found(html: str = PAGE, media: str = "text/html", **more: Any) -> Findings:
    raw = {
        "name": "shop",
        "start_urls": ["http://shop.example/"],
        "item": {"css": "div.p", "fields": FIELDS},
        **more,
    }
    page = Page(200, html.encode(), media)
    return look(Definition.model_validate(raw), page, "http://shop.example/")


def test_a_page_that_a_job_would_take_for_a_block_is_not_well() -> None:
    raw = {"name": "s", "start_urls": ["http://s.example/"], "item": {"fields": FIELDS}}
    page = Page(200, b"<h2>Are you human?</h2>", "text/html", suspicion="title: are you a robot")
    expected = Page(200, b"<h2>Robot vacuum</h2><b class=price>5</b>", "text/html", suspicion="x")
    definition = Definition.model_validate(raw | {"item": {"fields": {"text": "p::text"}}})
    selling = {"fields": {"name": {"css": ".price", "required": True}}}

    blocked = look(definition, page, "http://s.example/")
    whole = look(Definition.model_validate(raw | {"item": selling}), expected, "http://s.example/")

    assert not blocked.well
    assert "soft_block: title: are you a robot" in blocked.problem
    assert whole.well, whole.problem


@pytest.mark.parametrize(
    ("name", "value", "missing"),
    [
        (
            "name",
            "A",
            ["item 2: 1 found, and the text is empty", "item 3: css 'h2::text' finds nothing"],
        ),
        (
            "price",
            5.0,
            ["item 2: 'free' cannot be read as money", "item 3: css 'b::text' finds nothing"],
        ),
        (
            "day",
            None,
            [
                'item 1: \'05/03/2024\' may be day or month first: order = "dmy" or "mdy" says which',
                "item 2: 'in stock' cannot be read as date",
                "item 3: css 'i' finds nothing",
            ],
        ),
        (
            "left",
            None,
            [
                "item 1: match finds nothing in '05/03/2024'",
                "item 2: match finds nothing in 'in stock'",
                "item 3: css 'i' finds nothing",
            ],
        ),
    ],
)
def test_why_a_field_has_no_value_is_told(name: str, value: Any, missing: list[str]) -> None:
    (field,) = (field for field in found().fields if field.name == name)

    assert (field.value, field.missing) == (value, missing)


def test_an_element_without_the_attribute_is_told() -> None:
    assert found().fields[-1].missing[0] == "item 1: 1 found, and none has the attribute"


def test_what_is_found_is_what_a_job_would_take() -> None:
    told = found().as_json()

    assert [item["name"] for item in told["items"]] == ["A"]
    assert (told["dropped"], told["missing"], found().well) == (2, {"name": 2}, False)


def test_why_links_are_not_followed_is_told() -> None:
    rule, _ = found(follow=[{"match": "/i/"}, {"xpath": "//nav/a"}]).follow

    assert (rule.found, rule.followed) == (4, 1)
    assert rule.left_out == {
        "lead to no page, to this one, or twice to the same": 1,
        "on x.example, not in allowed_hosts": 1,
        "not wanted by match and exclude": 1,
    }


def test_an_item_that_is_not_there_is_a_problem_where_it_should_be() -> None:
    json = {"json": "items", "fields": {"a": "a"}}

    assert found("<p>", item={"css": "div.p", "fields": FIELDS}).problem == (
        "item: css 'div.p' finds nothing"
    )
    assert found("<p>", item=json).problem.startswith("the page is no JSON: Expecting value")
    assert found("{}", item=json).problem == "item: json 'items' finds nothing"
    elsewhere = found("<p>", item={"match": "/book/", "fields": FIELDS})
    assert (elsewhere.problem, elsewhere.well) == ("", True)


def test_a_class_that_gives_nothing_is_told() -> None:
    raw = {"name": "s", "start_urls": ["http://shop.example/"], "python": "Shop"}
    definition = Definition.model_validate(raw)
    told = look(definition, Page(200, b"x"), "http://shop.example/", Scraper())

    assert told.problem == "the class gave no item"
