"""One spelling for each URL: the idempotency key of a page.

The rules are those of the WHATWG URL Standard where it says what browsers do with what people
write, and of RFC 3986, section 6.2, for what two spellings of one URL have in common.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import idna

#: Longer ones are no links but traps or data; real browsers stop there too.
LONGEST_URL = 2083

#: Longest name that the DNS can carry.
LONGEST_HOST = 253

DEFAULT_PORTS = {"http": 80, "https": 443}

_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_REMOVED = re.compile(r"[\t\n\r]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NO_BYTE = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
_NUMERIC_HOST = re.compile(r"(0[xX][0-9a-fA-F]*|\d+)(\.(0[xX][0-9a-fA-F]*|\d+)){0,3}")
_ASCII_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE_IN_PATH = "/:@!$&'()*+,;=%-._~"
_SAFE_IN_QUERY = _SAFE_IN_PATH + "?"


def canonical(url: str, base: str | None = None) -> str | None:
    """Return the one spelling of `url`, seen from the page `base`; None when it is no page's URL.

    Scheme and host in lower case, IDN as punycode, no default port, no user, no fragment, no dot
    segments, percent-encoding only where needed and in upper case.

    >>> canonical("../b%7e?q=é#top", "HTTP://Example.COM:80/a/c/")
    'http://example.com/a/b~?q=%C3%A9'
    >>> canonical("mailto:me@example.com") is None
    True
    """
    text = _REMOVED.sub("", url.strip(_CONTROL_OR_SPACE))
    try:
        parts = urlsplit(urljoin(base, text) if base else text)
        scheme, port = parts.scheme.lower(), parts.port
        host = canonical_host(parts.hostname or "")
    except ValueError:
        return None
    if scheme not in DEFAULT_PORTS or host is None:
        return None
    place = host if port in (None, DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    path = _without_dots(_escaped(parts.path.replace("\\", "/"), _SAFE_IN_PATH))
    query = _escaped(parts.query, _SAFE_IN_QUERY)
    found = urlunsplit((scheme, place, path, query, ""))
    return found if len(found) <= LONGEST_URL else None


def canonical_host(host: str) -> str | None:
    """Return the one spelling of a host name or address; None when it is neither.

    >>> canonical_host("BÜCHER.example."), canonical_host("0x7f.1"), canonical_host("[::0:1]")
    ('xn--bcher-kva.example', '127.0.0.1', '[::1]')
    """
    bare = host.strip("[]").rstrip(".").lower()
    if ":" in bare:
        try:
            return f"[{ipaddress.IPv6Address(bare).compressed}]"
        except ValueError:
            return None
    if not bare.isascii():
        try:
            bare = idna.encode(bare, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    if _NUMERIC_HOST.fullmatch(bare):  # also of digits in another alphabet, which are mapped above
        return _dotted(bare)
    return bare if _ASCII_HOST.fullmatch(bare) and len(bare) <= LONGEST_HOST else None


def host_of(url: str) -> str:
    """Return host, and port unless it is the default, of a canonical URL: the key of the gate."""
    return urlsplit(url).netloc


def _dotted(numeric: str) -> str | None:
    """Return what `inet_aton` makes of 2130706433, 0x7f.1 and 127.1, as browsers do."""
    try:
        return socket.inet_ntoa(socket.inet_aton(numeric))
    except OSError:
        return None


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
