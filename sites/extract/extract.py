"""From a page to its items and links."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sites.extract.document import Document, Unreadable
from sites.extract.items import ItemData, ItemReader, Items
from sites.extract.lacking import Tally
from sites.extract.links import LinkReader
from sites.extract.own_class import failure
from sites.extract.recipe import recipe_of
from sites.extract.telling import telling
from sites.url import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sites.definition.definition import Definition
    from sites.fetch.answer import Page
    from sites.scraper import Scraper

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a page gave: its items, and the pages that it leads to.

    `missing`: per required field how many items lacked it; `dropped` of them are none therefore.
    `further` are pages of the same list, as near to the start as this one.
    """

    items: list[ItemData] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    further: list[str] = field(default_factory=list)
    dropped: int = 0


class Extractor:
    """Made once for a definition; its selectors are read only once."""

    def __init__(self, definition: Definition, own: Scraper | None = None) -> None:
        """Read every selector; `own` is the site's class of the user's, if it has one."""
        self.items = ItemReader(definition.item)
        self.links = LinkReader(definition)
        self._own = own
        self._telling = own is None and telling(definition.item)
        self.recipe = recipe_of(definition, own)
        self.tally = Tally()

    def extract(self, page: Page, url: str) -> Extracted:
        """Take items and links from the page that came from the canonical `url`.

        Raises:
            Unreadable: the page is not what the definition looks at, like HTML where JSON should be.
        """
        document = Document(page, url)
        listed = self.links.sitemap(document)
        if listed is not None:
            return Extracted(links=list(listed.deeper), further=list(listed.further))
        if not page.body:
            return self._nothing(url)
        items = self._items(document)
        self._count(items, url)
        own = _each(self._own, self._own.links, document) if self._own else ()
        links = self.links.read(document, own, items=bool(items.whole or items.dropped))
        return Extracted(
            items.whole, list(links.deeper), items.missing, list(links.further), items.dropped
        )

    def count(self, found: Extracted, url: str) -> None:
        """Count what a page gave that need not be read again."""
        self._count(Items(found.items, found.dropped, found.missing), url)

    def moved(self, url: str, target: str) -> None:
        """Count an item that lacks all, where its page leads to one that has none: to a login, say."""
        goal = canonical(target, url)
        required = self.items.required or self.items.rule.required
        if required and self.items.wanted(url) and not (goal and self.items.wanted(goal)):
            lost = Items()
            lost.add({}, required)
            self.tally.add(lost)

    def expects(self, page: Page, url: str) -> bool:
        """Tell whether a page has whole items by the rules of its site; nothing is counted.

        Where any page would do, that says nothing.
        """
        if not self._telling or not self.items.wanted(url):
            return False
        try:
            found = self.items.read(Document(page, url))
        except Unreadable:
            return False
        return bool(found.whole) and not found.missing

    def _nothing(self, url: str) -> Extracted:
        """Return what an empty page gave, which is none where something must be on it."""
        if self.items.wanted(url) and (self.items.required or self.items.rule.required):
            raise Unreadable("the page is empty")
        return Extracted()

    def _count(self, items: Items, url: str) -> None:
        if self.items.wanted(url):
            self.tally.add(items)

    def _items(self, document: Document) -> Items:
        if self._own is None:
            return self.items.read(document)
        rule, found = self.items.rule, Items()
        if self.items.wanted(document.url):
            for item in _each(self._own, self._own.items, document):
                found.add(_plain(item), rule.required)
        return found


def _each(
    own: Scraper, found: Callable[[Document], Iterable[_T]], document: Document
) -> Iterator[_T]:
    """Yield what a method of the user's class says of a page.

    Raises:
        Unreadable: it raised something; this says what, and where in its file.
    """
    try:
        yield from found(document)
    except Unreadable:
        raise
    except Exception as error:  # whatever the user's code does
        raise Unreadable(failure(own, error)) from error


def _plain(item: Mapping[str, Any]) -> ItemData:
    """Return an item of the user's class; one that could not be written later is a failure now.

    Raises:
        Unreadable: it has values that JSON has not.
    """
    try:
        found: ItemData = dict(item)
        json.dumps(found, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Unreadable(f"an item is no JSON: {error}") from None
    return found
