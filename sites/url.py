"""One spelling for each URL: the idempotency key of a page.

The rules are those of the WHATWG URL Standard where it says what browsers do with what people
write, and of RFC 3986, section 6.2, for what two spellings of one URL have in common.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

from orchestrator.core.host import canonical_host

#: Longer ones are no links but traps or data; real browsers stop there too.
LONGEST_URL = 2083
#: So much may be written for one of those, before it is brought into its one spelling.
LONGEST_TEXT = 16 * LONGEST_URL

DEFAULT_PORTS = {"http": 80, "https": 443}

_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_REMOVED = re.compile(r"[\t\n\r]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NO_BYTE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE_IN_PATH = "/:@!$&'()*+,;=%-._~"
_SAFE_IN_QUERY = _SAFE_IN_PATH + "?"
#: What most links look like: names and slashes, nothing to escape, no dot segment, no scheme.
_NAMES = re.compile(r"/?(?!\.)[A-Za-z0-9_~-][A-Za-z0-9_.~-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*/?")
#: So many links are remembered: menus lead to the same pages from everywhere.
_REMEMBERED = 4096


def canonical(url: str, base: str | None = None) -> str | None:
    """Return the one spelling of `url`, seen from the page `base`; None when it is no page's URL.

    Scheme and host in lower case, IDN as punycode, no default port, no user, no fragment, no dot
    segments, percent-encoding only where needed and in upper case.

    >>> canonical("../b%7e?q=é#top", "HTTP://Example.COM:80/a/c/")
    'http://example.com/a/b~?q=%C3%A9'
    >>> canonical("mailto:me@example.com") is None
    True
    """
    if len(url) > LONGEST_TEXT and url.find("#", 0, LONGEST_TEXT) < 0:
        return None
    text = _slashed(_REMOVED.sub("", url.strip(_CONTROL_OR_SPACE)))
    try:
        parts = _seen_from(base, text) if base else urlsplit(text)
        scheme, port = parts.scheme.lower(), parts.port
        host = canonical_host(parts.hostname or "")
    except ValueError:
        return None
    if scheme not in DEFAULT_PORTS or host is None:
        return None
    place = host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    path = _without_dots(_escaped(parts.path, _SAFE_IN_PATH))
    query = _escaped(parts.query, _SAFE_IN_QUERY)
    found = urlunsplit((scheme, place, path, query, ""))
    return found if len(found) <= LONGEST_URL else None


class Base:
    """What the links of a page are seen from: a canonical URL.

    `link` is `canonical` for many links of one page, made quick: the same is asked again and again.
    """

    __slots__ = ("_folder", "_origin", "url")

    def __init__(self, url: str) -> None:
        """Look at the canonical `url` once, for all its links."""
        self.url = url
        path = url.partition("?")[0]
        self._folder = path[: path.rfind("/") + 1]
        self._origin = origin_of(url)

    def link(self, text: str) -> str | None:
        """Return the canonical URL of a link, None when it leads to no page."""
        bare = text.partition("#")[0]
        if _NAMES.fullmatch(bare):
            found = self._origin + bare if bare[0] == "/" else self._folder + bare
            return found if len(found) <= LONGEST_URL else None
        if not bare:
            return self.url
        if bare[-1] <= " ":
            bare = text  # a blank before the fragment is part of the path, at the end it is not
        if bare[0] <= "?":  # "?n=2" and blanks: what sees more of the page than its folder
            return canonical(bare, self.url)
        return _from_folder(self._folder, bare)


@lru_cache(_REMEMBERED)
def _from_folder(folder: str, link: str) -> str | None:
    return canonical(link, folder)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a canonical URL.

    >>> origin_of("https://example.com:444/a/b")
    'https://example.com:444'
    """
    return url[: url.index("/", len("https://"))]


def host_of(url: str) -> str:
    """Return host, and port unless it is the default, of a canonical URL: the key of the gate."""
    return urlsplit(url).netloc


def _slashed(text: str) -> str:
    """Browsers take a backslash before the query for a slash."""
    if "\\" not in text:
        return text
    place = re.match(r"[^?#]*", text)
    end = place.end() if place else 0
    return text[:end].replace("\\", "/") + text[end:]


def _seen_from(base: str, link: str) -> SplitResult:
    """Resolve a link as RFC 3986, section 5.2.2, and browsers do.

    `urllib.parse.urljoin` does not: it loses empty segments and an empty query.
    """
    parts, page = urlsplit(link), urlsplit(base)
    if parts.scheme and (parts.netloc or parts.scheme != page.scheme):
        return parts
    if parts.netloc:
        return parts._replace(scheme=page.scheme)
    if not parts.path:
        asks = "?" in link.partition("#")[0]
        return page._replace(query=parts.query if asks else page.query)
    folder = "" if parts.path.startswith("/") else page.path[: page.path.rfind("/") + 1] or "/"
    return page._replace(path=folder + parts.path, query=parts.query)


def _escaped(text: str, safe: str) -> str:
    """Escape what must be, and nothing else; each escape in upper case."""
    kept = _STRAY_PERCENT.sub("%25", text)
    # Bytes of a header that are no UTF-8 come as low surrogates, and are meant as those bytes.
    errors = "replace" if _NO_BYTE.search(kept) else "surrogateescape"
    return quote(_ESCAPE.sub(_plain, kept), safe=safe, errors=errors)


def _plain(escape: re.Match[str]) -> str:
    letter = chr(int(escape[1], 16))
    return letter if letter in _UNRESERVED else f"%{escape[1].upper()}"


def _without_dots(path: str) -> str:
    """Remove `.` and `..` as RFC 3986, section 5.2.4, does; an empty path is `/`."""
    kept: list[str] = []
    segments = path.split("/")[1:] if path.startswith("/") else path.split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)
