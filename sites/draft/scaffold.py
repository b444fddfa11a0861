"""The first draft of a site file: what a page shows, written down with the reasons."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sites.draft import guess, guess_api
from sites.extract.document import Document, Unreadable
from sites.extract.sitemap import sitemap_of
from sites.fetch.address import forbidden
from sites.url import canonical

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sites.extract.sitemap import Sitemap
    from sites.fetch.answer import Page

#: A sitemap may be so large, unpacked, and so many of its pages are looked at.
MOST_BYTES = 5_000_000
MOST_LISTED = 1000
#: What the fields of a page are called that nothing was found of.
_NOTHING = {"title": {"css": "title::text"}}


@dataclass(slots=True)
class Draft:
    """What a draft says; `sample` is a page that has items, with its URL, `maybe` was not tried."""

    follow: list[tuple[str, guess.Rule]] = field(default_factory=list)
    item: guess.Rule = field(default_factory=dict)
    maybe: guess.Rule = field(default_factory=dict)
    fields: dict[str, guess.Rule] = field(default_factory=dict)
    sample: tuple[Page, str] | None = None


def name_of(url: str) -> str:
    """Return what a site is called, by its host.

    >>> name_of("https://www.books.example.com/x"), name_of("http://127.0.0.1:8000/")
    ('books-example', 'site-127-0-0-1')
    """
    labels = re.sub(r"[^a-z0-9.-]", "-", urlsplit(url).hostname or "site").strip("-.").split(".")
    if all(label.isdigit() for label in labels) or len(labels) == 1:
        return "-".join(["site", *labels])[:63]
    kept = labels[1:] if labels[0] == "www" else labels
    return "-".join(kept[:-1] or kept)[:63].strip("-") or "site"


def is_inside(url: str) -> bool:
    """Tell whether a URL names an address inside this network as it is written."""
    return forbidden(urlsplit(url).hostname or "") is not None


def draft(page: Page, url: str, fetch: Callable[[str], tuple[Page, str] | None]) -> Draft:
    """Look at a page, and with `fetch` at one of those that it lists."""
    document = Document(page, url)
    if page.media.endswith("json"):
        return _of_api(document)
    if (listed_in := sitemap_of(page, MOST_BYTES)) and (listed_in.pages or listed_in.sitemaps):
        return _of_sitemap(listed_in, url, fetch)
    found = Draft(sample=(page, url))
    try:
        onward = guess.next_link(document)
        listed = guess.item_links(document, onward)
    except Unreadable:
        onward = listed = None
    if onward:
        found.follow.append(("the next page of the list", onward))
    if listed:
        found.follow.append((f"the pages it lists: {len(listed[1])} on this one", listed[0]))
        _try(found, listed[1], [url, *(guess.links(document, onward) if onward else ())], fetch)
    found.fields = _fields(Document(*found.sample) if found.sample else document)
    return found


def _of_sitemap(
    sitemap: Sitemap, url: str, fetch: Callable[[str], tuple[Page, str] | None]
) -> Draft:
    """What is said of a sitemap; of an index, the first one is looked at."""
    pages = sitemap.pages
    if not pages and (first := _listed(sitemap.sitemaps)):
        there = fetch(first[0])
        inner = sitemap_of(there[0], MOST_BYTES) if there else None
        pages = inner.pages if inner else []
    found = Draft(follow=[("the pages that the sitemap names", {"sitemap": True})])
    listed = _most_alike(_listed(pages))
    if listed:
        _try(found, listed, [url], fetch)
    found.fields = _fields(Document(*found.sample)) if found.sample else _NOTHING
    return found


def _listed(urls: list[str]) -> list[str]:
    return [link for link in map(canonical, urls[:MOST_LISTED]) if link]


def _most_alike(urls: list[str]) -> list[str]:
    """Those of the largest folder; without one, all."""
    folders: dict[str, list[str]] = {}
    for url in urls:
        folders.setdefault(url.rpartition("/")[0], []).append(url)
    largest = max(folders.values(), key=len, default=[])
    return largest if len(largest) >= guess.FEWEST else urls


def _try(
    found: Draft,
    listed: list[str],
    others: list[str],
    fetch: Callable[[str], tuple[Page, str] | None],
) -> None:
    """Look at one of the pages that are listed: its item is what the site is scraped for."""
    pattern, sample = guess.pattern_of(listed, others), fetch(listed[0])
    if sample and pattern and re.search(pattern, sample[1]):
        found.item, found.sample = {"match": pattern}, sample
    elif pattern:
        found.maybe = {"match": pattern}


def write(name: str, url: str, found: Draft) -> str:
    """Return the text of a site file."""
    lines = [
        f"# {name}: a first draft, made by `orch sites new {url}`.",
        f"# `orch sites check {name} --url URL` shows what a page gives, and what is missing and why.",
        f"name = {_word(name)}",
        f"start_urls = [{_word(url)}]",
        'rate = "2/s"                    # requests; every other limit has a default, see the README',
        '# contact = "mailto:you@example.org"   # whom the site\'s owner may write to',
        *(
            ["allow_private = true            # it is inside this network"]
            if is_inside(url)
            else []
        ),
    ]
    for why, rule in found.follow:
        lines += ["", f"[[follow]]                      # {why}", *_pairs(rule)]
    if not found.follow:
        lines += [
            "",
            "# [[follow]]                    # which links lead on: none were found that look it",
        ]
        lines += ['# css = "li.next a"']
    lines += ["", "[item]"]
    lines += [f"{line:<31} # only these have items" for line in _pairs(found.item)]
    lines += [f"# {line:<29} # only the pages it lists have items?" for line in _pairs(found.maybe)]
    if "sku" in found.fields:
        lines += ['key = ["sku"]                   # which item it is, today and tomorrow']
    lines += ["", "[item.fields]"]
    for number, (field_name, rule) in enumerate(found.fields.items()):
        required = {"required": True} if number == 0 else {}
        lines.append(f"{field_name} = {_table({**rule, **required})}")
    return "\n".join(lines) + "\n"


def _of_api(document: Document) -> Draft:
    found = Draft(sample=(document.page, document.url))
    try:
        listed, onward = guess_api.items(document.json), guess_api.onward(document.json)
        first = listed[1] if listed else document.json
        found.fields = guess_api.fields(first) if isinstance(first, dict) else {}
    except Unreadable:
        listed, onward = None, None
    if onward:
        found.follow.append(("how the API says to go on", onward))
    if listed and found.fields:
        found.item = {"json": listed[0]}
    found.fields = found.fields or {"all": {"json": "@"}}
    return found


def _fields(document: Document) -> dict[str, guess.Rule]:
    try:
        return guess.fields(document) or _NOTHING
    except Unreadable:
        return _NOTHING


def _pairs(rule: guess.Rule) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in rule.items()]


def _table(rule: guess.Rule) -> str:
    only = next(iter(rule.items()))
    if len(rule) == 1 and only[0] == "css":
        return _word(only[1])
    return f"{{ {', '.join(_pairs(rule))} }}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return _table(value)
    return ("true" if value else "false") if isinstance(value, bool) else _word(str(value))


def _word(text: str) -> str:
    """A string of TOML: what JSON writes is one."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
