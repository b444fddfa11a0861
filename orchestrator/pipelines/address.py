"""URLs as they are asked for, and as they are shown: without user and password."""

from __future__ import annotations

import re

from yarl import URL

#: Characters that may stand in a URL (RFC 3986); one made of them is sent as it is written.
_PLAIN = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_ALLOWED = "must be a http:// or https:// URL with a host"


def parse(text: str, base: URL | None = None) -> URL:
    """Read a URL, seen from `base`; what may not stand in one is escaped, a fragment is dropped.

    >>> str(parse("../b c", URL("http://x.example/a/"))), str(parse("http://x.example/%7e?a=b%2Bc#d"))
    ('http://x.example/b%20c', 'http://x.example/%7e?a=b%2Bc')

    Raises:
        ValueError: it is none that can be asked for. The text says nothing of what is in it.
    """
    bare = text.strip().partition("#")[0]
    try:
        found = URL(bare, encoded=_PLAIN.fullmatch(bare) is not None)
        url = base.join(found) if base else found
        asked = url.scheme in ("http", "https") and url.host and url.port
    except (ValueError, TypeError):
        asked = None
    if not asked:
        raise ValueError(_ALLOWED)
    return url


def shown(url: URL) -> str:
    """The URL without what nobody else may see.

    >>> shown(URL("http://me:secret@x.example/a@b"))
    'http://***@x.example/a@b'
    """
    if url.raw_user is None and url.raw_password is None:
        return str(url)
    return str(url.with_user(None)).replace("://", "://***@", 1)


def place(url: URL) -> str:
    """Where it leads, without the query: that may be signed anew each time."""
    return f"{origin(url)}{url.raw_path}"


def origin(url: URL) -> str:
    """Whom it asks: scheme, host and port."""
    return f"{url.scheme}://{url.host}:{url.port}"
