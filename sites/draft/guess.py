"""What a page looks like it is: where its list goes on, where its items are, what they have.

Guesses for somebody who begins a site file; each was seen to find something on the page at hand.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sites.definition.follow import Follow
from sites.definition.item import FieldRule, Item
from sites.extract.items import Field, empty, finder_of, view
from sites.extract.json_ld import objects_of
from sites.extract.values import plain
from sites.url import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selectolax.lexbor import LexborNode

    from sites.extract.document import Document

#: A rule as a site file has it.
Rule = dict[str, Any]

#: So many links of one kind make a list.
FEWEST = 3
#: At the head of a list and at its foot; what finds more is no way to the next page.
_MOST_NEXT = 2
#: An element is named by itself and so many around it.
_CLIMB = 4

_NEXT = (
    *(
        "a[rel~=next]",
        "link[rel~=next]",
        "li.next a",
        "a.next",
        ".next a",
        "a.next-page",
        "a.pager-next",
    ),
    *(
        "a[aria-label=Next]",
        "a[aria-label='Next page']",
        ".pagination-next a",
        ".pager__item--next a",
    ),
)
_NEXT_WORDS = (
    "Next",
    "next",
    "Next page",
    "Next »",
    "Next >",
    "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    "»",
    "Older posts",
    "More",
)
_APART = frozenset({"nav", "header", "footer", "aside", "head"})
_CLASS = re.compile(r"[A-Za-z_][A-Za-z_-]*")

#: What is looked for in JSON-LD, and the types that are items rather than parts of the page.
_LD_TYPES = (
    *("Product", "Article", "NewsArticle", "BlogPosting", "Recipe", "Event", "JobPosting", "Book"),
    *(
        "Movie",
        "Course",
        "Hotel",
        "Restaurant",
        "LocalBusiness",
        "SoftwareApplication",
        "VideoObject",
    ),
)
_LD_FIELDS: tuple[tuple[str, str, str], ...] = (
    *(("name", "name", "text"), ("headline", "headline", "text"), ("sku", "sku", "text")),
    *(("price", "offers.price", "money"), ("price", "offers.lowPrice", "money")),
    ("currency", "offers.priceCurrency", "text"),
    ("availability", "offers.availability", "text"),
    *(
        ("brand", "brand.name", "text"),
        ("brand", "brand", "text"),
        ("author", "author.name", "text"),
    ),
    ("rating", "aggregateRating.ratingValue", "float"),
    *(("published", "datePublished", "date"), ("starts", "startDate", "date")),
    *(
        ("image", "image.url", "url"),
        ("image", "image", "url"),
        ("description", "description", "text"),
    ),
)
_CSS_FIELDS: tuple[tuple[str, str, str], ...] = (
    *(("title", "h1::text", "text"), ("title", "title::text", "text")),
    ("price", "[itemprop=price]::attr(content)", "money"),
    *(("price", "[itemprop=price]::text", "money"), ("price", "[class*=price]::text", "money")),
    ("published", "time::attr(datetime)", "date"),
    ("description", "meta[name=description]::attr(content)", "text"),
    ("image", "meta[property='og:image']::attr(content)", "url"),
)


def next_link(document: Document) -> Rule | None:
    """Return a rule that finds the next page of the list."""
    by_word = (f'//a[normalize-space(.)="{word}"]' for word in _NEXT_WORDS)
    for rule in (*({"css": css} for css in _NEXT), *({"xpath": path} for path in by_word)):
        if 0 < len(set(links(document, rule))) <= _MOST_NEXT:
            return {**rule, "next": True}
    return None


def item_links(document: Document, apart_from: Rule | None) -> tuple[Rule, list[str]] | None:
    """Return a rule that finds the links of a list, and what it finds: most of one kind on the page."""
    spared = {document.url, *(links(document, apart_from) if apart_from else ())}
    kinds: dict[str, dict[str, None]] = {}
    for element in document.html.css("a[href]"):
        link = document.base.link(element.attrs.get("href") or "")
        css = _described(element)
        if link and css and link not in spared and _inside(link, document):
            kinds.setdefault(css, {})[link] = None
    css, found = max(kinds.items(), key=lambda kind: len(kind[1]), default=("", {}))
    return ({"css": css}, list(found)) if len(found) >= FEWEST else None


def pattern_of(urls: list[str], never: list[str]) -> str | None:
    """Return an expression that finds all of `urls` and none of `never`; None when none is narrow."""
    paths = [urlsplit(url).path.split("/")[1:] for url in urls]
    same = len({len(path) for path in paths}) == 1
    path = _by_part(paths) if same else _by_folder(paths)
    found = f"{re.escape(urlsplit(urls[0]).netloc)}/{path}".replace("\\-", "-")
    fits = all(re.search(found, url) for url in urls)
    return found if fits and not any(re.search(found, url) for url in never) else None


def _by_part(paths: list[list[str]]) -> str:
    """Paths of one length: what is the same in all stays, the rest may be anything."""
    columns = zip(*paths, strict=True)
    return "/".join(re.escape(c[0]) if len(set(c)) == 1 else "[^/?]+" for c in columns) + "$"


def _by_folder(paths: list[list[str]]) -> str:
    """Paths of many lengths: the folder that all are in."""
    common = []
    for column in zip(*(path[:-1] for path in paths), strict=False):
        if len(set(column)) > 1:
            break
        common.append(f"{re.escape(column[0])}/")
    return "".join(common) + "."


def fields(document: Document) -> dict[str, Rule]:
    """Return rules for the fields of the one item that a page is about."""
    kinds = Counter(kind for node in objects_of(document.jsonld) for kind in _types(node))
    for kind in _LD_TYPES:
        if kind in kinds:
            rules = [(name, {"jsonld": f"{kind}.{path}"}, how) for name, path, how in _LD_FIELDS]
            found = _that_find(document, rules)
            if found:
                return found
    return _that_find(document, [(name, {"css": css}, how) for name, css, how in _CSS_FIELDS])


def links(document: Document, rule: Rule) -> Iterator[str]:
    """Every link on the same site that a rule finds."""
    follow = Follow.model_validate(rule)
    finder = finder_of(follow, attribute="href")
    for match in finder.matches(view(document, follow.language)):
        raw = finder.read(match)
        link = None if raw is None else document.base.link(plain(raw))
        if link and link != document.url and _inside(link, document):
            yield link


def _that_find(document: Document, rules: list[tuple[str, Rule, str]]) -> dict[str, Rule]:
    found: dict[str, Rule] = {}
    for name, place, kind in rules:
        rule = {**place, "type": kind} if kind != "text" else place
        field = Field.of(name, FieldRule.model_validate(rule), Item(fields={}))
        value = field.value(view(document, field.rule.language), document.base)
        if name not in found and not empty(value):
            found[name] = rule
    return found


def _described(element: LexborNode) -> str | None:
    """Say in CSS what kind of link this is: tags up to the first class; None in menus and footers."""
    parts: list[str] = []
    named = False
    at: LexborNode | None = element
    while at is not None and at.tag not in ("body", "html"):
        if at.tag in _APART:
            return None
        if not named and len(parts) < _CLIMB:
            name = next(filter(_CLASS.fullmatch, (at.attrs.get("class") or "").split()), "")
            parts.append(f"{at.tag}.{name}" if name else str(at.tag))
            named = bool(name)
        at = at.parent
    return " ".join(reversed(parts))


def _inside(link: str, document: Document) -> bool:
    return origin_of(link) == origin_of(document.url)


def _types(node: dict[str, Any]) -> list[str]:
    kinds = node.get("@type")
    each = kinds if isinstance(kinds, list) else [kinds]
    return [re.split("[/#:]", kind)[-1] for kind in each if isinstance(kind, str)]
