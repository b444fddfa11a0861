"""CSS as people write it, and what of the match is wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser, SelectolaxError

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_PARTS = re.compile(
    r"(?P<css>.*?)(?:::(?:(?P<text>text)|attr\((?P<attribute>[^()\s]+)\)))?", re.DOTALL
)
_PROBE = LexborHTMLParser("<p></p>")


@dataclass(frozen=True, slots=True)
class Selector:
    """`h1::text`, `a.next::attr(href)` or CSS; `::text` alone means the item's own element."""

    css: str
    attribute: str | None = None

    @classmethod
    def parse(cls, text: str, *, attribute: str | None = None) -> Selector:
        """Read a selector; `attribute` is the one that plain CSS means.

        >>> Selector.parse("a.next::attr(href)")
        Selector(css='a.next', attribute='href')

        Raises:
            ValueError: the CSS cannot be understood.
        """
        found = _PARTS.fullmatch(text.strip())
        if found is None:
            raise ValueError("must be CSS, with ::text or ::attr(name) at its end at most")
        css = found["css"].strip()
        if css:
            check_css(css)
        elif not (found["text"] or found["attribute"]):
            raise ValueError("must not be empty")
        return cls(css, found["attribute"] or (None if found["text"] else attribute))

    def matches(self, element: LexborNode) -> list[LexborNode]:
        """Return the elements below `element`, or itself, in the order of the page."""
        return element.css(self.css) if self.css else [element]

    def read(self, element: LexborNode) -> str | None:
        """Return the text of `element` with its line breaks, or the attribute, None without one."""
        if self.attribute:
            return element.attrs.get(self.attribute)
        return visible_text(element)


def visible_text(element: LexborNode) -> str:
    """Return the text of `element` and all below it; `<br>` is the end of a line."""
    only = element.child
    if only is not None and only.next is None and only.is_text_node:  # most are: a title, a price
        return _text(only)
    parts = []
    for node in element.traverse(include_text=True):
        if node.tag == "br":
            parts.append("\n")
        elif node.is_text_node:
            parts.append(_text(node))
    return "".join(parts)


def _text(node: LexborNode) -> str:
    """Return what a node of text shows: what is in a script shows nothing."""
    if node.parent is not None and node.parent.tag in _UNSEEN:
        return ""
    return node.text_content or ""


_UNSEEN = frozenset({"script", "style", "template"})


def check_css(css: str) -> None:
    """Raise ValueError when `css` cannot be understood."""
    try:
        _PROBE.css(css)
    except SelectolaxError:
        hint = ": an XPath goes into xpath =" if css.startswith(("/", ".//", "(/")) else ""
        raise ValueError(f"this CSS cannot be understood: {css}{hint}") from None
