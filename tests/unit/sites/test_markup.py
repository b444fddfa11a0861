"""Pages that would cost minutes or gigabytes to read are not read."""

from __future__ import annotations

import time

import pytest

from sites.extract.document import Document, Unreadable
from sites.extract.markup import refusal
from sites.fetch.answer import Page

MANY = 100_000


def each(form: str, count: int = MANY) -> str:
    return "".join(form.format(n) for n in range(count))


BOMBS = {
    "nested": "<div>" * MANY,
    "nested and closed": "<div>" * MANY + "</div>" * MANY,
    "nested lists": "<ul><li>" * MANY,
    "closed by others": "<div></x>" * MANY,
    "attributes": f"<p {each(' a{}')}>",
    "attributes with quotes": "<p " + each(" a{}='>'") + ">",
    "attributes that look like tags": f"<p {each(' <a{}')}>",
    "behind a script": f"<script>a < b</script><p {each(' a{}')}>",
    "formatting": each("<font a{}><p>x", 20_000),
    "formatting in little": each("<Font a{}><p>x", 1_000),
    "formatting and closed": each("<b a{}><p>x</p>", 5_000) + "</b>" * 5_000,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_what_grows_with_the_square_of_its_size_is_not_read(bomb: str) -> None:
    document = Document(Page(200, bomb.encode()), "http://a.example/")
    began = time.process_time()

    with pytest.raises(Unreadable, match="the page is not read: "):
        _ = document.html
    with pytest.raises(Unreadable, match="the page is not read: "):
        _ = document.tree
    assert time.process_time() - began < 5


PAGES = {
    "paragraphs that are never closed": "<p>x" * MANY,
    "rows that are never closed": "<table>" + "<tr><td>x" * MANY,
    "links that are never closed": each("<a href={}>x<p>"),
    "links": each("<p><a class=x href=/{}>x</a></p>"),
    "formatting that is closed": each("<p><b class=a{}>x</b> <code class=b>y</code></p>", 80_000),
    "formatting that is never closed, but is all the same": "<b><p>x" * 3_000,
    "scripts": "<script>" + "if (a<b && c<d) { x = '<div>' } " * MANY + "</script>",
    "a picture inside": f'<img src="data:image/png;base64,{"ab/cd+" * MANY}">',
    "text": "a < b " * MANY,
    "comments": "<!-- <div> -->" * MANY,
    "half a comment after another": "<!--" * MANY,
    "half a script after another": "<script>" * MANY,
    "nothing but signs": "<" * MANY * 5,
}


@pytest.mark.parametrize("html", PAGES.values(), ids=PAGES)
def test_large_and_sloppy_pages_are_read(html: str) -> None:
    began = time.process_time()

    assert refusal(html.encode()) == ""
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "entry", ["<option>x", "<OPTION SELECTED>x</OPTION>", "<opTion selected>x"]
)
def test_long_lists_to_choose_from_are_read_soon(entry: str) -> None:
    html = f"<Select name=a>{entry * MANY}</select><p>y</p>"
    began = time.process_time()

    document = Document(Page(200, html.encode()), "http://a.example/")

    assert document.css("select[name=a] option::text")[-1] == "x"
    assert len(document.html.css("option")) == MANY
    assert document.css("p::text") == ["y"]
    assert time.process_time() - began < 5


@pytest.mark.parametrize("tag", ["<p>", "<br>", "<", "<a href=b>c</a>"])
def test_a_page_of_next_to_nothing_but_tags_is_not_read(tag: str) -> None:
    html = (tag * 1_500_000)[:5_000_000].encode()

    assert refusal(html) == "it has more than 500000 tags"
