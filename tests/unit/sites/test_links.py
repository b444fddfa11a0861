"""Where a page leads: links, numbered pages, sitemaps and what an API says."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from pydantic import ValidationError

from sites.definition.definition import Definition
from sites.extract.extract import Extracted, Extractor
from sites.fetch.answer import Page

START = "http://a.example/list"
LINKS = "<a href=/i/1>1</a><a href=/i/2>2</a><a class=next href='?page=2'>next</a>"


def site(*follow: dict[str, Any], **more: Any) -> Definition:
    raw = {
        "name": "a",
        "start_urls": [START],
        "item": {"css": "p", "fields": {"x": {"css": "b", "required": True}}},
        "follow": follow,
        **more,
    }
    return Definition.model_validate(raw)


def at(url: str, body: str | bytes, definition: Definition, media: str = "text/html") -> Extracted:
    raw = body.encode() if isinstance(body, str) else body
    return Extractor(definition).extract(Page(200, raw, media), url)


def test_the_next_page_of_a_list_is_as_near_to_the_start_as_this_one() -> None:
    found = at(START, LINKS, site({"css": "a.next", "next": True}, {"match": "/i/"}))

    assert found.further == [f"{START}?page=2"]
    assert found.links == ["http://a.example/i/1", "http://a.example/i/2"]


def test_links_are_found_by_xpath_and_in_json() -> None:
    assert at(START, LINKS, site({"xpath": "//a"})).links[0] == "http://a.example/i/1"
    assert at(START, LINKS, site({"xpath": "//a[@class]/@href"})).links == [f"{START}?page=2"]
    json = '{"items": [{"url": "/x"}, {"url": null}, {"url": "http://b.example/"}]}'
    assert at(START, json, site({"json": "items[*].url"})).links == ["http://a.example/x"]


def test_a_page_of_html_where_links_of_json_should_be_has_none() -> None:
    assert at(START, LINKS, site({"json": "items[*].url"})).links == []


NUMBERED = {"numbered": "http://a.example/list?page={n}", "last": 12, "step": 2, "first": 3}


@pytest.mark.parametrize(
    ("url", "body", "further"),
    [
        (START, "<p><b>x</b>", [f"{START}?page=3"]),
        (f"{START}?page=3", "<p><b>x</b>", [f"{START}?page=5"]),
        (f"{START}?page=3", "<p>an item, though it lacks something", [f"{START}?page=5"]),
        (f"{START}?page=3", "<a href=/i/1>no item, but a link</a>", [f"{START}?page=5"]),
        (f"{START}?page=3", "nothing more", []),
        (f"{START}?page=11", "<p><b>x</b>", []),
        (f"{START}?page=x", "<p><b>x</b>", []),
        (f"{START}?page=", "<p><b>x</b>", []),
        (f"{START}?page={'9' * 400}", "<p><b>x</b>", []),
        ("http://a.example/i/1", "<p><b>x</b>", []),
    ],
)
def test_numbered_pages_go_on_while_they_give_something(
    url: str, body: str, further: list[str]
) -> None:
    assert at(url, body, site(NUMBERED, {"match": "/i/"})).further == further


def test_the_number_may_be_anywhere_in_the_url() -> None:
    rule = {"numbered": "http://A.example/é/{n}/x.html"}

    found = at("http://a.example/%C3%A9/7/x.html", "<p>x", site(rule))

    assert found.further == ["http://a.example/%C3%A9/8/x.html"]


@pytest.mark.parametrize(
    ("url", "said", "further"),
    [
        (START, '{"next": "a b&c=1"}', [f"{START}?cursor=a%20b%26c%3D1"]),
        (f"{START}?n=5&cursor=1&x", '{"next": 2}', [f"{START}?n=5&x&cursor=2"]),
        (START, '{"next": null}', []),
        (START, '{"next": ""}', []),
        (START, '{"next": false}', []),
        (START, "{}", []),
        (f"{START}?cursor=2", '{"next": 2}', []),
    ],
)
def test_a_cursor_goes_into_its_parameter(url: str, said: str, further: list[str]) -> None:
    rule = {"cursor": {"json": "next", "param": "cursor"}}
    definition = site(rule, item={"json": "items", "fields": {"x": "x"}})

    assert at(url, said, definition, "application/json").further == further


SITEMAP = b"""<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc> http://a.example/i/1?a=1&amp;b=2 </loc><lastmod>2024-01-01</lastmod></url>
<url><loc>http://a.example/about</loc></url><url><loc>http://b.example/i/2</loc></url>
<url></url></urlset>"""
INDEX = b"""<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<sitemap><loc>http://a.example/s1.xml.gz</loc></sitemap></sitemapindex>"""
MAPS = {"sitemap": True, "match": "/i/"}


@pytest.mark.parametrize(
    ("body", "media"),
    [
        (SITEMAP, "application/xml"),
        (SITEMAP, "text/html"),
        (gzip.compress(SITEMAP), "application/x-gzip"),
        (b"http://a.example/i/1?a=1&b=2\r\nhttp://a.example/about\n\nno url\n", "text/plain"),
    ],
)
def test_a_sitemap_leads_to_the_pages_that_are_wanted(body: bytes, media: str) -> None:
    found = at("http://a.example/sitemap.xml", body, site(MAPS), media)

    assert (found.links, found.further) == (["http://a.example/i/1?a=1&b=2"], [])


def test_an_index_of_sitemaps_leads_to_them_whatever_is_wanted() -> None:
    found = at("http://a.example/sitemap.xml", INDEX, site(MAPS), "text/xml")

    assert (found.links, found.further) == ([], ["http://a.example/s1.xml.gz"])


def test_a_packed_sitemap_is_not_unpacked_beyond_the_limit() -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * 50_000_000 + SITEMAP)
    definition = site(MAPS, limits={"body_mb": 0.1})

    assert at(START, bomb, definition, "application/gzip").links == []


def test_a_sitemap_that_is_cut_off_or_no_xml_gives_what_can_be_read() -> None:
    for body in (SITEMAP[:260], gzip.compress(SITEMAP)[:-20]):
        assert len(at(START, body, site(MAPS), "text/xml").links) <= 1
    assert at(START, b"<urlset", site(MAPS), "text/xml").links == []
    assert at(START, b"\x1f\x8bno gzip", site(MAPS), "text/xml").links == []


def test_a_sitemap_has_room_for_as_many_pages_as_the_protocol_allows() -> None:
    places = b"".join(b"<url><loc>http://a.example/i/%d</loc></url>" % n for n in range(50_010))
    found = at(START, b"<urlset>%s</urlset>" % places, site(MAPS), "application/xml")

    assert len(found.links) == 50_000


def test_who_asks_for_no_sitemap_sees_a_page_like_any_other() -> None:
    assert at(START, SITEMAP, site({}), "text/xml").links == []


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"css": "a", "xpath": "//a"}, "one of css"),
        ({"css": "a", "sitemap": True}, "must have one of a place, numbered"),
        ({"numbered": "http://a.example/"}, "with {n} once"),
        ({"numbered": "/list?page={n}"}, "a whole URL"),
        ({"css": "a", "last": 5}, "mean nothing without numbered"),
        ({"jsonld": "Product"}, "the way from there"),
        ({"cursor": {"json": "a"}}, "param"),
        ({"cursor": {"json": "a[", "param": "x"}}, "JSON path"),
    ],
)
def test_what_cannot_be_meant_is_told(rule: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        site(rule)
