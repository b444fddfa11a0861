"""XPath 1.0 over a page, with no way out of the page: no entity is expanded, nothing is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from lxml import etree

if TYPE_CHECKING:
    from sites.extract.values import Raw

#: What `re:test(@class, "a|b")` is looked up by.
_NAMESPACES = {"re": "http://exslt.org/regular-expressions"}
_UNSEEN = frozenset({"script", "style", "template"})


@dataclass(frozen=True, slots=True)
class XPath:
    """An expression that was compiled once."""

    expression: Any
    attribute: str | None = None

    @classmethod
    def parse(cls, text: str, *, attribute: str | None = None) -> XPath:
        """Read an expression; `attribute` is the one that is meant of elements that it finds.

        Raises:
            ValueError: it cannot be understood.
        """
        try:
            return cls(etree.XPath(text, namespaces=_NAMESPACES), attribute)
        except etree.XPathSyntaxError as error:
            raise ValueError(f"this XPath cannot be understood: {error}") from None

    def matches(self, element: Any) -> list[Any]:
        """Return what it finds, seen from `element`: elements, texts, or one number or truth."""
        try:
            found = self.expression(element)
        except etree.XPathEvalError:  # an unknown function or prefix shows itself only here
            return []
        return found if isinstance(found, list) else [found]

    def read(self, match: Any) -> Raw | None:
        """Return the value of a match: of an element its text, or the attribute that is meant."""
        if not isinstance(match, etree._Element):  # noqa: SLF001 (the only name of the class)
            # A text of lxml's holds on to its whole tree; a number and a truth are Python's.
            return str(match) if isinstance(match, str) else cast("Raw", match)
        if self.attribute:
            return cast("str | None", match.get(self.attribute))
        return "".join(_texts(match))


def check_xpath(text: str) -> str:
    """Return `text`; raise ValueError when it cannot be understood, or finds what is not there.

    Unknown functions and prefixes show themselves only at work.
    """
    compiled = XPath.parse(text).expression
    try:
        compiled(etree.Element("html"))
    except etree.XPathEvalError as error:
        raise ValueError(f"this XPath cannot be understood: {error}") from None
    return text


def tree_of(markup: bytes, *, xml: bool) -> Any:
    """Return the root element of a page in UTF-8, None when there is none; broken markup is mended.

    Raises nothing, whatever the page says: bombs of entities stay as they are written.
    """
    kind = etree.XMLParser if xml else etree.HTMLParser
    only_xml = {"resolve_entities": False, "load_dtd": False} if xml else {}
    parser = kind(encoding="utf-8", no_network=True, huge_tree=False, recover=True, **only_xml)
    try:
        return etree.fromstring(markup, parser)
    except etree.LxmlError:
        return None


def _texts(element: Any) -> list[str]:
    """The visible text of an element, piece by piece; `<br>` is the end of a line."""
    parts = [] if element.tag in _UNSEEN else [element.text or ""]
    for child in element:
        if child.tag == "br":
            parts.append("\n")
        elif isinstance(child.tag, str):  # else a comment or an instruction
            parts += _texts(child)
        parts.append(child.tail or "")
    return parts
