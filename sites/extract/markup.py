"""Markup that would cost minutes or gigabytes to read: it is refused before anybody reads it.

What browsers must build of a page can grow with the square of its size: a tag with very many attributes,
elements without end inside each other, and formatting that is opened and never closed, which is built
anew in each block. No page that people look at comes near these bounds.
"""

from __future__ import annotations

import re
from collections import Counter

#: Below this many bytes nothing takes long, and below the second nothing but formatting does.
SMALL = 8192
MEDIUM = 65_536
#: A tag may have so many attributes.
MOST_ATTRIBUTES = 2000
#: A page may have so many tags: a parser needs 200 bytes and 0.3 µs for each.
MOST_TAGS = 500_000
#: With so many elements that may be entries of a list to choose from it is written in another way.
MANY_ENTRIES = 1000
#: Sums over all tags of the elements, and of the formatting elements, that are open there.
MOST_DEPTH = 50_000_000
MOST_FORMATTING = 300_000

_NAMES = (b"em", b"tt", b"big", b"font", b"code", b"small", b"strike", b"strong", b"nobr")
_FORMATTING = frozenset({b"b", b"i", b"u", b"s", *_NAMES})
_ANY_CASE = b"|".join(
    b"".join(b"[%c%c]" % (code, code - 32) for code in name)  # quicker than ignoring the case
    for name in _NAMES
)
#: Formatting with attributes: without, no more than three of a kind count (HTML, "Noah's Ark clause").
_FORMATTED = re.compile(rb"<(?=[bBiIuUsSeEtTfFcCnN])(?:[biusBIUS]|" + _ANY_CASE + rb")[\s/]")
_CHOICE = re.compile(rb"<select(?=[\s/>])", re.IGNORECASE)
_SPACE = rb"[\s/]*+"
_ATTRIBUTE = rb"""[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>"'][^\s>]*+)?)?+"""
_ATTRIBUTES = re.compile(_ATTRIBUTE)
_TOKEN = re.compile(
    rb"<!--.*?(?:-->|\Z)|<(script|style|textarea|title)\b.*?(?:</\1|\Z)"
    rb"|<(/?)([a-z][^\s/>]*+)((?:" + _SPACE + _ATTRIBUTE + rb")*+)",
    re.DOTALL | re.IGNORECASE,
)
#: What has no end, and what ends by itself where the next one begins.
_FLAT = frozenset(
    b"area base br col embed hr img input link meta param source track wbr "
    b"p li dd dt option optgroup tr td th tbody thead tfoot colgroup rb rt rp html head body".split()
)


def refusal(html: bytes) -> str:
    """Say why a page is not read; nothing when it is.

    >>> refusal(b"<p>" * 100_000), refusal(b"<div>" * 100_000)
    ('', 'elements lie inside each other without end')
    """
    size = len(html)
    if size <= SMALL:
        return ""
    if size > MOST_TAGS and html.count(b"<") > MOST_TAGS:
        return f"it has more than {MOST_TAGS} tags"
    if size <= MEDIUM and len(_FORMATTED.findall(html)) * size <= MOST_FORMATTING * 4:
        return ""
    return _weighed(html)


def eased(html: bytes) -> bytes:
    """Return a page without what would be slow to read, and nobody misses.

    Where one entry of many is to be chosen, lexbor looks at all of them with each that it reads: 20,000
    take 3 s, marked as chosen 12 s. Where several may be, it does not.

    >>> eased(b"<select><option>a" * 1000)[:32]
    b'<select multiple><option>a<selec'
    """
    if html.count(b"<o") + html.count(b"<O") < MANY_ENTRIES:
        return html
    return _CHOICE.sub(rb"\g<0> multiple", html)


def _weighed(html: bytes) -> str:
    """Go through all tags, and add up what is open at each."""
    nesting, formatting = _Nesting(), _Formatting()
    for _, end, name, attributes in _TOKEN.findall(html):
        tag = name.lower()
        if not tag or tag in _FLAT:
            nesting.count()
            formatting.count()
        elif end:
            nesting.close(tag)
            formatting.close(tag)
        elif nesting.open(tag):
            formatting.open(tag, attributes)
        if reason := _too_much(attributes, nesting, formatting):
            return reason
    return ""


def _too_much(attributes: bytes, nesting: _Nesting, formatting: _Formatting) -> str:
    if len(attributes) > MOST_ATTRIBUTES and _many(attributes):
        return f"a tag has more than {MOST_ATTRIBUTES} attributes"
    if nesting.work > MOST_DEPTH:
        return "elements lie inside each other without end"
    if formatting.work > MOST_FORMATTING:
        return "formatting is opened again and again, and never closed"
    return ""


def _many(attributes: bytes) -> bool:
    return len(_ATTRIBUTES.findall(attributes)) > MOST_ATTRIBUTES


class _Nesting:
    """The elements that are open, whatever they are."""

    def __init__(self) -> None:
        self._opened: Counter[bytes] = Counter()
        self._depth = 0
        self.work = 0

    def open(self, tag: bytes) -> bool:
        """Return whether a tag begins an element inside those that are open."""
        if tag == b"a" and self._opened[tag]:  # a link ends where the next one begins
            return False
        self._opened[tag] += 1
        self._depth += 1
        self.count()
        return True

    def close(self, tag: bytes) -> None:
        """A tag ends one, if there is one."""
        if self._opened[tag]:
            self._opened[tag] -= 1
            self._depth -= 1

    def count(self) -> None:
        """Add up what is open now."""
        self.work += self._depth


class _Formatting:
    """The formatting elements that a parser would open anew in the next block."""

    def __init__(self) -> None:
        self._open: dict[bytes, list[bytes]] = {}
        self._active = 0
        self.work = 0

    def open(self, tag: bytes, attributes: bytes) -> None:
        """A tag begins an element."""
        if tag in _FORMATTING:
            alike = self._open.setdefault(tag, [])
            if alike[-3:].count(attributes) < 3:  # noqa: PLR2004 (see above)
                alike.append(attributes)
                self._active += 1
        self.count()

    def close(self, tag: bytes) -> None:
        """A tag ends one."""
        if self._open.get(tag):
            self._open[tag].pop()
            self._active -= 1

    def count(self) -> None:
        """Add up what is open now."""
        self.work += self._active
