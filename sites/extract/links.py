"""From a page to the pages that it leads to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from sites.extract.document import Unreadable
from sites.extract.items import Finder, finder_of, view
from sites.extract.paginate import Numbered, Onward
from sites.extract.sitemap import MOST_PLACES, Sitemap, sitemap_of
from sites.extract.values import plain
from sites.url import origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sites.definition.definition import Definition
    from sites.definition.follow import Follow
    from sites.extract.document import Document
    from sites.url import Base

#: A page names few hosts; so many are remembered as allowed or not.
_HOSTS = 1024


@dataclass(slots=True)
class Links:
    """Where a page leads: `deeper`, and to `further` pages of the same list; each in its order."""

    deeper: dict[str, None] = field(default_factory=dict)
    further: dict[str, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """A `[[follow]]` whose expressions were read once."""

    follow: Follow
    finder: Finder | None
    match: re.Pattern[str] | None
    exclude: re.Pattern[str] | None

    @classmethod
    def of(cls, follow: Follow) -> Rule:
        """Read the rule."""
        return cls(
            follow,
            finder_of(follow, attribute="href") if follow.language else None,
            re.compile(follow.match) if follow.match else None,
            re.compile(follow.exclude) if follow.exclude else None,
        )

    def wants(self, link: str) -> bool:
        """Tell whether the URL is one of those that are followed."""
        if self.match and not self.match.search(link):
            return False
        return not (self.exclude and self.exclude.search(link))


class LinkReader:
    """Reads the links of pages; made once for a definition."""

    def __init__(self, definition: Definition) -> None:
        """Read every selector and expression."""
        self._most = definition.limits.links_per_page
        self._most_bytes = int(definition.limits.body_mb * 1_000_000)
        self.places = [Rule.of(rule) for rule in definition.follow if rule.way == "place"]
        self._sitemaps = [Rule.of(rule) for rule in definition.follow if rule.way == "sitemap"]
        self._numbered = [
            Numbered(rule, definition.start_urls) for rule in definition.follow if rule.numbered
        ]
        self._cursors = [Onward(rule.cursor) for rule in definition.follow if rule.cursor]
        self._allows = lru_cache(_HOSTS)(lambda origin: definition.allows(f"{origin}/"))

    def sitemap(self, document: Document) -> Links | None:
        """Return where a sitemap leads; None when the page is none, or none is looked for."""
        if not self._sitemaps:
            return None
        found = sitemap_of(document.page, self._most_bytes)
        return None if found is None else self._of_sitemap(found, document)

    def read(self, document: Document, own: Iterable[str] = (), *, items: bool) -> Links:
        """Return where a page leads that has `items` or not; `own` are links that somebody else found."""
        found = Links()
        base = document.base
        self._take(found.deeper, own, base, document.url)
        for rule in self.places:
            into = found.further if rule.follow.next else found.deeper
            if not self._take(into, _texts(rule, document), base, document.url, rule):
                break
        gave = items or bool(found.deeper)
        further = [numbered.after(document.url, gave=gave) for numbered in self._numbered]
        further += [cursor.after(document.url, document.json) for cursor in self._cursors]
        self._take(found.further, filter(None, further), base, document.url)
        return found

    def _of_sitemap(self, found: Sitemap, document: Document) -> Links:
        links = Links()
        self._take(links.further, found.sitemaps, document.base, document.url, most=MOST_PLACES)
        for rule in self._sitemaps:
            self._take(
                links.deeper, found.pages, document.base, document.url, rule, most=MOST_PLACES
            )
        return links

    def _take(
        self,
        into: dict[str, None],
        texts: Iterable[str],
        base: Base,
        url: str,
        rule: Rule | None = None,
        *,
        most: int | None = None,
    ) -> bool:
        """Add links that are wanted and allowed; tell whether there is room for more."""
        limit = most or self._most
        for text in dict.fromkeys(texts):
            link = base.link(text)
            if (
                link
                and link not in into
                and link != url
                and (rule is None or rule.wants(link))
                and self._allows(origin_of(link))
            ):
                into[link] = None
                if len(into) >= limit:
                    return False
        return True


def _texts(rule: Rule, document: Document) -> Iterator[str]:
    finder = rule.finder
    if finder is None:
        return
    try:
        scope = view(document, rule.follow.language)
    except Unreadable:
        return
    for match in finder.matches(scope):
        raw = finder.read(match)
        if raw is not None:
            yield raw if isinstance(raw, str) else plain(raw)
