"""sitemap.xml (sitemaps.org): lists of pages, lists of such lists, plain or packed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.unpack import Unreadable, Zlib
from sites.extract.markup import refusal
from sites.extract.xpath import tree_of

if TYPE_CHECKING:
    from typing import Any

    from sites.fetch.answer import Page

#: The protocol allows no more in one file.
MOST_PLACES = 50_000

_PACKED = b"\x1f\x8b"
#: A sitemap shows itself within so many bytes.
_HEAD = 2048
_ROOTS = ("<urlset", "<sitemapindex", ":urlset")


@dataclass(frozen=True, slots=True)
class Sitemap:
    """The pages that a sitemap names, and the other sitemaps that an index does, as written."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)


def sitemap_of(page: Page, limit: int) -> Sitemap | None:
    """Return what a page says if it is a sitemap, else None; unpacked it has `limit` bytes at most.

    A broken one gives what can be read of it.
    """
    text = page.text
    if page.body.startswith(_PACKED):
        text = _unpacked(page.body, limit).decode("utf-8", "replace")
    elif page.media == "text/plain":
        lines = [line.strip() for line in text.splitlines()[:MOST_PLACES]]
        return Sitemap(pages=[line for line in lines if line.startswith(("http://", "https://"))])
    if not any(name in text[:_HEAD] for name in _ROOTS):
        return None
    raw = text.encode("utf-8", "replace")
    root = None if refusal(raw) else tree_of(raw, xml=True)
    if root is None:
        return Sitemap()
    if _name(root) == "sitemapindex":
        return Sitemap(sitemaps=_places(root))
    return Sitemap(pages=_places(root))


def _places(root: Any) -> list[str]:
    found: list[str] = []
    for entry in root:
        for child in entry:
            if _name(child) == "loc" and child.text:
                found.append(child.text.strip())
                break
        if len(found) >= MOST_PLACES:
            break
    return found


def _name(element: Any) -> str:
    """The name of an element, whatever its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _unpacked(body: bytes, limit: int) -> bytes:
    try:
        return Zlib()(body, limit)
    except Unreadable:
        return b""
