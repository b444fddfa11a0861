"""Which bodies are pages: what says that it is text, and sitemaps that are packed as files."""

from __future__ import annotations

_TEXT = ("text/", "application/xhtml", "application/xml", "application/json")
_ENDINGS = ("+xml", "+json")
_PACKED = frozenset({"application/gzip", "application/x-gzip", "application/octet-stream"})


def readable(content_type: str, path: str) -> bool:
    """Tell whether a body of this Content-Type, from this path, can be read as a page.

    >>> readable("text/html; charset=x", "/"), readable("application/rss+xml", "/feed")
    (True, True)
    >>> readable("image/svg+xml", "/a.svg"), readable("application/gzip", "/sitemap.xml.gz")
    (False, True)
    """
    media = content_type.partition(";")[0].strip().lower()
    if media.startswith("image/"):
        return False
    packed = media in _PACKED and path.endswith(".xml.gz")
    return packed or media.startswith(_TEXT) or media.endswith(_ENDINGS)


def charset_of(content_type: str) -> str | None:
    """Return what a Content-Type says of the character set.

    >>> charset_of('Text/HTML; Charset="UTF-8"; x=y'), charset_of("text/html")
    ('utf-8', None)
    """
    for part in content_type.split(";")[1:]:
        name, _, value = part.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'").lower() or None
    return None
