"""From a page to its items and links."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser

from sites.selector import Selector
from sites.url import canonical
from sites.values import Value, clean, cut, to_float, to_int, to_money

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selectolax.lexbor import LexborNode

    from sites.definition import Definition, FieldRule, Follow

ItemData = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a page gave: its items, its links, and per required field how many items lacked it."""

    items: list[ItemData] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)


class Extractor:
    """Made once for a definition; its selectors are read only once."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._fields = [
            (name, rule, Selector.parse(rule.css)) for name, rule in definition.item.fields.items()
        ]
        self._follow = [
            (rule, Selector.parse(rule.css, attribute="href")) for rule in definition.follow
        ]

    def extract(self, html: str, url: str) -> Extracted:
        """Take items and links from the page at the canonical `url`."""
        tree = LexborHTMLParser(html)
        root = tree.root
        if root is None:
            return Extracted()
        base = _base(root, url)
        items, missing = self._items(root, url, base)
        return Extracted(items, self._links(root, url, base), missing)

    def _items(
        self, root: LexborNode, url: str, base: str
    ) -> tuple[list[ItemData], dict[str, int]]:
        rule = self._definition.item
        items: list[ItemData] = []
        missing: dict[str, int] = {}
        if rule.match and not re.search(rule.match, url):
            return items, missing
        for element in root.css(rule.css) if rule.css else [root]:
            item = {name: _value(element, how, at, base) for name, how, at in self._fields}
            lacking = [name for name, how, _ in self._fields if how.required and _empty(item[name])]
            for name in lacking:
                missing[name] = missing.get(name, 0) + 1
            if not lacking:
                items.append(item)
        return items, missing

    def _links(self, root: LexborNode, url: str, base: str) -> list[str]:
        found: dict[str, None] = {}
        most = self._definition.limits.links_per_page
        for rule, selector in self._follow:
            for text in _texts(root, selector):
                link = canonical(text, base)
                if link and link != url and _wanted(link, rule) and self._definition.allows(link):
                    found[link] = None
                    if len(found) >= most:
                        return list(found)
        return list(found)


def _base(root: LexborNode, url: str) -> str:
    """Return what relative links are seen from: `<base href>`, else the page itself."""
    for element in root.css("base[href]"):
        return canonical(element.attributes.get("href") or "", url) or url
    return url


def _texts(element: LexborNode, selector: Selector) -> Iterator[str]:
    for match in selector.matches(element):
        text = selector.read(match)
        if text is not None:
            yield text


def _value(element: LexborNode, rule: FieldRule, selector: Selector, base: str) -> Value:
    if rule.type == "count":
        return len(selector.matches(element))
    cuts = (cut(text, rule.match) for text in _texts(element, selector))
    values = (clean(text) for text in cuts if text is not None)
    if rule.type == "list":
        return [value for value in values if value]
    first = next(values, None)
    return None if first is None else _convert(first, rule.type, base)


def _convert(text: str, kind: str, base: str) -> Value:
    match kind:
        case "int":
            return to_int(text)
        case "float":
            return to_float(text)
        case "money":
            return to_money(text)
        case "url":
            return canonical(text, base)
        case _:
            return text


def _empty(value: Value) -> bool:
    return value is None or value in ("", [])


def _wanted(link: str, rule: Follow) -> bool:
    if rule.match and not re.search(rule.match, link):
        return False
    return not (rule.exclude and re.search(rule.exclude, link))
