"""A page in the forms that selectors look at; each is made when somebody first looks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from selectolax.lexbor import LexborHTMLParser

from sites.extract.json_ld import JsonLd, json_ld_of
from sites.extract.json_path import JsonPath, read_json
from sites.extract.markup import eased, refusal
from sites.extract.selector import Selector
from sites.extract.xpath import XPath, tree_of
from sites.url import Base, canonical

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

    from sites.extract.values import Raw
    from sites.fetch.answer import Page

#: As pages spell it: looking for a word is 20 times as quick as asking the tree.
_BASE = ("<base", "<BASE", "<Base")


class Unreadable(ValueError):
    """A page is not what its site's rules look at."""


class Document:
    """A page, and what it says."""

    def __init__(self, page: Page, url: str) -> None:
        """Nothing is read yet; `url` is the page's canonical one."""
        self.page = page
        self.url = url

    @property
    def text(self) -> str:
        """The body, decoded."""
        return self.page.text

    @cached_property
    def html(self) -> LexborNode:
        """The root of the page, as browsers build it."""
        # As bytes, which is a fifth quicker; and the parser must live as long as its nodes.
        self._parser = LexborHTMLParser(self._markup)
        root = self._parser.root
        if root is None:
            raise Unreadable("the page is empty")
        return root

    @cached_property
    def _markup(self) -> bytes:
        raw = self.text.encode("utf-8", "replace")
        why = refusal(raw)
        if why:
            raise Unreadable(f"the page is not read: {why}")
        return eased(raw)

    @cached_property
    def tree(self) -> Any:
        """The root element for XPath."""
        media = self.page.media
        root = tree_of(self._markup, xml=media.endswith("xml") and "xhtml" not in media)
        if root is None:
            raise Unreadable("the page is empty")
        return root

    @cached_property
    def json(self) -> Any:
        """What a page of JSON says.

        Raises:
            Unreadable: it is none.
        """
        try:
            return read_json(self.text)
        except ValueError as error:
            raise Unreadable(f"the page is no JSON: {error}") from None

    @cached_property
    def jsonld(self) -> list[Any]:
        """Every object of JSON-LD on the page."""
        return json_ld_of(self.html)

    @cached_property
    def base(self) -> Base:
        """What relative links are seen from: `<base href>`, else the page itself."""
        if any(spelling in self.text for spelling in _BASE):
            for element in self.html.css("base[href]"):
                found = canonical(element.attributes.get("href") or "", self.url)
                return Base(found or self.url)
        return Base(self.url)

    # for classes of people's own

    def css(self, selector: str) -> list[Raw]:
        """Return what `selector` finds on the page, as in a site file: `doc.css("h1::text")`."""
        return _all(Selector.parse(selector), self.html)

    def xpath(self, expression: str) -> list[Raw]:
        """Return what the XPath finds on the page."""
        return _all(XPath.parse(expression), self.tree)

    def find(self, path: str) -> list[Raw]:
        """Return what the JMESPath finds on a page of JSON."""
        return _all(JsonPath.parse(path), self.json)

    def ld(self, path: str) -> list[Raw]:
        """Return what the page says in JSON-LD: `doc.ld("Product.offers.price")`."""
        return _all(JsonLd.parse(path), self.jsonld)


def _all(finder: Selector | XPath | JsonPath | JsonLd, scope: Any) -> list[Raw]:
    read = (finder.read(match) for match in finder.matches(scope))
    return [value for value in read if value is not None]
