"""The first draft of a site file: what is guessed, and that it is always right as a file."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sites.definition.definition import Definition
from sites.draft.findings import look
from sites.draft.scaffold import draft, name_of, write
from sites.fetch.answer import Page

LIST = """<title>Shop</title><nav>{menu}</nav><ul>{items}</ul>
<li class=next><a href=/c/page-2.html>more</a></li><footer>{menu}</footer>""".format(
    menu="".join(f"<a class=m href=/{word}>x</a>" for word in "abcdefg"),
    items="".join(
        f'<li class="card c-4"><h3><a href=/c/thing-{n}/index.html>{n}</a></h3>'
        f"<a class=pic href=/c/thing-{n}/index.html><img></a>"
        for n in range(5)
    ),
)
THING = """<title>t</title><h1>Thing</h1><script type="application/ld+json">{"@type": "Product",
"name": "Thing", "sku": "T-1", "offers": {"price": "19.99", "priceCurrency": "EUR"},
"image": ["/t.png"], "brand": {"name": "Acme"}}</script>"""
START = "http://shop.example/c/"


def page(text: str, media: str = "text/html") -> Page:
    return Page(200, text.encode("utf-8", "replace"), media)


def made(
    text: str, media: str = "text/html", *, other: str | None = None
) -> tuple[str, Definition]:
    """Return a draft's text, and what it says; `other` is any page that is asked for."""

    def fetch(url: str) -> tuple[Page, str] | None:
        return None if other is None else (page(other), url)

    found = write("shop", START, draft(page(text, media), START, fetch))
    return found, Definition.model_validate(tomllib.loads(found))


def test_a_list_leads_to_its_next_page_and_to_its_items() -> None:
    _, definition = made(LIST, other=THING)

    onward, listed = definition.follow
    assert (onward.css, onward.next) == ("li.next a", True)
    assert listed.css in ("li.card h3 a", "a.pic")
    assert definition.item.match == r"shop\.example/c/[^/?]+/index\.html$"
    found = look(definition, page(LIST), START)
    assert len(found.extracted.links) == 5
    assert found.extracted.further == ["http://shop.example/c/page-2.html"]
    assert not found.extracted.items


@pytest.mark.parametrize("index", [False, True])
def test_a_sitemap_is_followed_and_most_of_its_pages_are_the_items(*, index: bool) -> None:
    places = ["/about", *(f"/p/{n}" for n in range(5)), "/c/1"]
    named = "".join(f"<url><loc>http://shop.example{place}</loc></url>" for place in places)
    xml = f"<urlset>{named}</urlset>"
    inner = "<sitemap><loc>http://shop.example/1.xml</loc></sitemap>"

    def fetch(url: str) -> tuple[Page, str]:
        return (page(xml, "text/xml") if url.endswith(".xml") else page(THING)), url

    first = page(f"<sitemapindex>{inner}</sitemapindex>" if index else xml, "text/xml")
    text = write("shop", START, draft(first, START, fetch))
    definition = Definition.model_validate(tomllib.loads(text))

    assert [rule.sitemap for rule in definition.follow] == [True]
    assert definition.item.match == r"shop\.example/p/[^/?]+$"
    assert definition.item.key == ("sku",)
    assert '+$" # only these have items' in text


def test_a_sitemap_whose_pages_do_not_come_is_a_draft_all_the_same() -> None:
    _, definition = made(
        "<urlset><url><loc>http://shop.example/p/1</loc></url></urlset>", "text/xml"
    )

    assert definition.follow[0].sitemap
    assert list(definition.item.fields) == ["title"]


def test_an_item_page_that_says_what_it_is_in_json_ld_is_read_by_it() -> None:
    text, definition = made(LIST, other=THING)

    found = look(definition, page(THING), "http://shop.example/c/thing-1/index.html")

    assert found.extracted.items == [
        {
            "name": "Thing",
            "sku": "T-1",
            "price": 19.99,
            "currency": "EUR",
            "brand": "Acme",
            "image": "http://shop.example/t.png",
        }
    ]
    assert definition.item.key == ("sku",)
    assert definition.item.fields["name"].required
    assert "price = { jsonld = " in text


def test_an_item_page_without_json_ld_is_read_by_what_most_pages_have() -> None:
    html = '<h1>Thing</h1><p class="the_price">£5</p><time datetime=2024-03-05>x</time>'

    _, definition = made(LIST, other=html)

    found = look(definition, page(html), "http://shop.example/c/thing-1/index.html")
    assert found.extracted.items == [{"title": "Thing", "price": 5.0, "published": "2024-03-05"}]


def test_a_page_that_could_not_be_tried_is_a_question_in_the_draft() -> None:
    text, definition = made(LIST)

    assert '# match = "shop' in text
    assert definition.item.match is None


API = """{"meta": {"next": "abc", "total": 3}, "data": {"things": [
 {"id": 1, "price-eur": 1.5, "name": "a", "at": "2024-03-05", "url": "https://x.example/1",
  "tags": ["x"], "on": true, "in": {"x": 1}}, {"id": 2}]}, "links": [1]}"""


def test_an_api_is_read_by_json_paths() -> None:
    _, definition = made(API, "application/json")

    found = look(definition, page(API, "application/json"), START)

    assert definition.item.json_path == "data.things"
    assert found.extracted.items[0] == {
        "id": 1,
        "price_eur": 1.5,
        "name": "a",
        "at": "2024-03-05",
        "url": "https://x.example/1",
        "tags": ["x"],
        "on": "true",
    }
    assert found.extracted.further == [f"{START}?next=abc"]


def test_an_api_that_gives_the_url_of_its_next_page_is_followed_there() -> None:
    text = '{"next": "/c/?page=2", "results": [{"id": 1}]}'

    _, definition = made(text, "application/json")

    assert look(definition, page(text, "application/json"), START).extracted.further == [
        f"{START}?page=2"
    ]


ODD: list[tuple[str, str]] = [
    *(
        ("", "text/html"),
        ("plain", "text/plain"),
        ("<p>x", "text/html"),
        ("[]", "application/json"),
    ),
    *(("no json", "application/json"), ("{}", "application/json"), ("[1]", "application/json")),
    ('[{"1": 2, "\\u007f\\"": 3}]', "application/json"),
    ('<a href="/a">1</a><a href="/b/c">2</a><a href="/d">3</a>', "text/html"),
    ('<h1>"q\\"</h1><a class="a:b \x7f" href="/x">x</a>', "text/html"),
    ('<script type="application/ld+json">{"@type":"Product"}</script>', "text/html"),
]


@pytest.mark.parametrize(("text", "media"), ODD)
@pytest.mark.parametrize("other", [None, "", THING])
def test_a_draft_is_always_a_site_file(text: str, media: str, other: str | None) -> None:
    _, definition = made(text, media, other=other)

    assert definition.start_urls == (START,)


@given(st.text(max_size=200), st.sampled_from(["text/html", "application/json"]))
def test_whatever_a_page_says_its_draft_is_a_site_file(text: str, media: str) -> None:
    made(text, media, other=text)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.example.com/", "example"),
        ("https://books.example.co.uk/", "books-example-co"),
        ("http://localhost:8000/", "site-localhost"),
        ("http://[::1]/", "site-1"),
        ("http://a_b.example/", "a-b"),
        (f"http://{'a' * 60}.{'b' * 60}.example/", "a" * 60 + "-bb"),
    ],
)
def test_a_site_is_called_like_its_host(url: str, name: str) -> None:
    assert name_of(url) == name
