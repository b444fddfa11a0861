"""From a page to its items."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sites.extract.dates import Ambiguous
from sites.extract.json_ld import JsonLd
from sites.extract.json_path import JsonPath
from sites.extract.selector import Selector
from sites.extract.values import Raw, Value, clean, convert, cut, plain
from sites.extract.xpath import XPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sites.definition.item import FieldRule, Item
    from sites.definition.place import Place
    from sites.extract.document import Document
    from sites.url import Base

ItemData = dict[str, Any]

#: What of a document each language looks at.
_VIEWS = {"css": "html", "xpath": "tree", "json": "json", "jsonld": "jsonld"}


class Finder(Protocol):
    """A place that was read once: what it finds from a scope on, and what each find says."""

    def matches(self, scope: Any) -> Sequence[Any]:
        """Return what is found, in the order of the page."""

    def read(self, match: Any) -> Raw | None:
        """Return the value of one find; None when it has none."""


def finder_of(place: Place, *, attribute: str | None = None, inside: bool = False) -> Finder:
    """Read a place; `attribute` is what elements mean, `inside` the item is JSON-LD itself."""
    match place.language:
        case "xpath":
            return XPath.parse(place.where, attribute=attribute)
        case "json":
            return JsonPath.parse(place.where)
        case "jsonld":
            return JsonLd.parse(place.where, inside=inside)
        case _:
            return Selector.parse(place.where, attribute=attribute)


def view(document: Document, language: str | None) -> Any:
    """Return what a place in `language` is looked for in."""
    return getattr(document, _VIEWS[language or "css"])


@dataclass(frozen=True, slots=True)
class Field:
    """A field whose rule was read once. `apart`: it is seen from the page, not from the item."""

    name: str
    rule: FieldRule
    finder: Finder
    match: re.Pattern[str] | None
    apart: bool

    @classmethod
    def of(cls, name: str, rule: FieldRule, item: Item) -> Field:
        """Read the rule of a field of `item`."""
        finder = finder_of(rule, inside=item.language == "jsonld")
        match = re.compile(rule.match) if rule.match else None
        return cls(name, rule, finder, match, rule.language != item.language)

    def texts(self, scope: Any) -> list[Raw]:
        """Return every text, or number of JSON, that is found, cut out and clean."""
        found: list[Raw] = []
        for match in self.finder.matches(scope):
            raw = self.finder.read(match)
            if raw is None:
                continue
            if isinstance(raw, str) or self.match:
                text = cut(plain(raw), self.match)
                if text is None:
                    continue
                raw = clean(text)
            found.append(raw)
            if self.rule.type != "list":
                break
        return found

    def value(self, scope: Any, base: Base) -> Value:
        """Return the value; None when nothing is there, or it is not of the type."""
        kind = self.rule.type
        if kind == "count":
            return len(self.finder.matches(scope))
        found = self.texts(scope)
        if kind == "list":
            return [text for text in map(plain, found) if text]
        try:
            return convert(found[0], kind, base, self.rule.order) if found else None
        except Ambiguous:
            return None


@dataclass(slots=True)
class Items:
    """What a page gave: items, how many lacked a required field, and which ones they lacked."""

    whole: list[ItemData] = field(default_factory=list)
    dropped: int = 0
    missing: dict[str, int] = field(default_factory=dict)

    def add(self, item: ItemData, required: Sequence[str]) -> None:
        """Keep an item, or count what it lacks."""
        lacking = [name for name in required if empty(item.get(name))]
        for name in lacking:
            self.missing[name] = self.missing.get(name, 0) + 1
        if lacking:
            self.dropped += 1
        else:
            self.whole.append(item)


class ItemReader:
    """Reads the items of pages; made once for a definition."""

    def __init__(self, rule: Item) -> None:
        """Read every selector and expression."""
        self.rule = rule
        self.elements = finder_of(rule) if rule.language else None
        self.fields = [Field.of(name, how, rule) for name, how in rule.fields.items()]
        self.required = tuple(f.name for f in self.fields if f.rule.required)
        self._match = re.compile(rule.match) if rule.match else None

    def wanted(self, url: str) -> bool:
        """Tell whether the page at `url` is one that has items."""
        return self._match is None or self._match.search(url) is not None

    def scopes(self, document: Document) -> Sequence[Any]:
        """Return what each item of the page is looked for in; without an element, the page."""
        if self.elements is None:
            return (None,)
        return self.elements.matches(view(document, self.rule.language))

    def read(self, document: Document) -> Items:
        """Take the items from a page."""
        found = Items()
        if not self.fields or not self.wanted(document.url):
            return found
        base = document.base
        for scope in self.scopes(document):
            item = {f.name: f.value(self.scope(f, scope, document), base) for f in self.fields}
            found.add(item, self.required)
        return found

    def scope(self, of: Field, item: Any, document: Document) -> Any:
        """Return where a field is looked for: in the item, or on the page."""
        if item is None or of.apart:
            return view(document, of.rule.language)
        return item


def empty(value: object) -> bool:
    """Tell whether a value is none."""
    return value is None or value in ("", [])
