"""Which rules tell pages of a site from any other page: a challenge has a title and a heading, too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sites.definition.item import Item
    from sites.definition.place import Place

#: Elements that next to every page has.
_ANYWHERE = frozenset(
    [
        *(
            "html",
            "head",
            "title",
            "body",
            "header",
            "main",
            "footer",
            "section",
            "div",
            "span",
            "p",
        ),
        *(
            "a",
            "b",
            "i",
            "em",
            "strong",
            "small",
            "br",
            "ul",
            "ol",
            "li",
            "form",
            "input",
            "button",
        ),
        *("img", "script", "style", "iframe", "noscript", "h1", "h2", "h3", "h4", "h5", "h6"),
    ]
)
#: Types that a text is not by chance.
_SAYS = frozenset({"int", "float", "money", "date"})

#: What in XPath names no element.
_UNNAMED = re.compile(r"@[\w:-]+|[\w-]+\([^)]*\)|[\w-]+::")
_WORD = re.compile(r"[a-z][a-z0-9-]*", re.IGNORECASE)


def telling(item: Item) -> bool:
    """Tell whether a page that has what is required of it can hardly be anything but one of its site.

    >>> from sites.definition.item import Item
    >>> def of(css, **more): return Item(fields={"a": {"css": css, "required": True, **more}})
    >>> telling(of("main h1::text")), telling(of("h1.name::text")), telling(of("b", type="money"))
    (False, True, True)
    """
    required = [rule for rule in item.fields.values() if rule.required]
    if not required:
        return False
    return _special(item) or any(rule.type in _SAYS or _special(rule) for rule in required)


def _special(place: Place) -> bool:
    if place.language not in ("css", "xpath"):
        return place.language is not None
    css = place.language == "css"
    where = place.where.partition("::")[0] if css else _UNNAMED.sub("", place.where)
    words = {word.lower() for word in _WORD.findall(where)}
    return any(mark in where for mark in (".#[" if css else "[")) or not words <= _ANYWHERE
