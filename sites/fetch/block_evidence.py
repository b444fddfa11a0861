"""What an answer shows of a challenge or a block: each sign, and its weight."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sites.fetch import block_signs as signs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: A page that is shorter, in bytes, may be a challenge without a word about captchas.
SHORT_BYTES = 4096
#: What somebody says who is sure.
CERTAIN = 1000
#: With so much to read (letters outside of links) it takes more than a word to look like a challenge.
A_LOT = 2500

#: How much there is to read (less than so many letters), and what that weighs.
_LITTLE = ((250, 45), (600, 30), (1500, 10), (A_LOT, 0), (6000, -60))
_MUCH = -200
#: So short is a page that says nothing else, in letters.
_ONE_SENTENCE, _ONE_WORD = 80, 30
_FEW_LINKS = 3
_MOST_HEADINGS = 10

_HEADING = re.compile(rb"<h[1-4]\b[^<>]{0,300}>\s*([^<]{0,200})")
_HEADERS = (
    ("cf-mitigated", "challenge"),
    ("x-amzn-waf-action", "captcha"),
    ("x-amzn-waf-action", "challenge"),
)
_SERVERS = ("cloudflare", "akamaighost", "datadome", "ddos-guard", "sucuri", "imperva", "qrator")
_COOKIES = (
    *(
        "datadome",
        "incap_ses",
        "visid_incap",
        "_abck",
        "bm_sz",
        "ak_bmsc",
        "aws-waf-token",
        "__ddg",
    ),
    *("_px", "sucuri_cloudproxy", "x5sec", "kp_uidz", "ts01", "__cf_bm", "cf_chl", "reese84"),
)
_UNREAD = frozenset({b"script", b"style", b"title", b"option", b"svg", b"template"})
_APOSTROPHES = ("\u2019".encode(), b"&#39;", b"&#x27;", b"&rsquo;", b"&apos;", b"&#8217;")

#: Every sign there is.
NAMES = (
    *("header", "marker", "vendor", "title", "heading", "text", "widget", "form", "form for data"),
    *("refresh", "reload", "little to read", "much to read", "few links", "server"),
)


class Sign(NamedTuple):
    """One piece of evidence. `name` is what a site's file may ignore, alone or with `: detail`."""

    name: str
    weight: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" if self.detail else self.name


class Seen(NamedTuple):
    """An answer as it came. `headers` by names in any case; `cookies`: the names of those it sets."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    cookies: Sequence[str] = ()

    @property
    def refused(self) -> bool:
        """Whether its status says that we get nothing: that a page says so too is no news then."""
        return self.status >= 400  # noqa: PLR2004  (where failures begin)


def of_headers(seen: Seen) -> Iterator[Sign]:
    """Return what the headers say for sure."""
    for name, word in _HEADERS:
        if word in seen.headers.get(name, "").lower():
            yield Sign("header", CERTAIN, name)


def of_title(head: bytes, *, refused: bool) -> Iterator[Sign]:
    """Return what the title says; `head` is the beginning of the body in lower case."""
    at = head.find(b"<title")
    if at < 0:
        return
    begin = head.find(b">", at) + 1
    found = _spoken(_plain(head[begin : begin + 200].partition(b"<")[0]), refused=refused)
    if found:
        yield Sign("title", 50 if found.re is signs.SPOKEN else 25, _shown(found[0]))


def worth_a_look(head: bytes) -> bool:
    """Tell at once whether a page has any of the words without which it is no challenge."""
    if len(head) < SHORT_BYTES and any(stem in head for stem in signs.SHORT_STEMS):
        return True
    if not any(stem in head for stem in signs.STEMS):
        return False
    for harmless in signs.HARMLESS:
        head = head.replace(harmless, b"")
    return any(stem in head for stem in signs.STEMS)


def of_page(head: bytes, prose: bytes, links: int, seen: Seen) -> Iterator[Sign]:
    """Return all the rest: `prose` and `links` as `read` tells."""
    yield from _of_vendors(head)
    yield from _of_headings(head, refused=seen.refused)
    yield from _of_prose(prose, refused=seen.refused)
    yield from _of_forms(head)
    yield from _of_scripts(head, prose)
    yield from _of_emptiness(prose, links)
    yield from _of_server(seen)


def read(head: bytes) -> tuple[bytes, int]:
    """Return what there is to read outside of links, and how many links there are."""
    first, *rest = head.split(b"<")
    words, links, unread = [first], 0, b""
    in_link = False
    for piece in rest:
        tag, _, text = piece.partition(b">")
        name = tag.split(None, 1)[0] if tag[:1].isalpha() or tag[:1] == b"/" else b""
        if unread:
            if name != unread:
                continue
            unread = b""
        elif name in _UNREAD:
            unread = b"/" + name
            continue
        elif name in (b"a", b"/a"):
            in_link = name == b"a"
            links += in_link
        if not in_link:
            words.append(text)
    return _plain(b" ".join(words)), links


def _of_vendors(head: bytes) -> Iterator[Sign]:
    for vendor, markers in signs.MARKERS.items():
        if any(marker in head for marker in markers):
            yield Sign("vendor", 70, vendor)
            return


def _of_headings(head: bytes, *, refused: bool) -> Iterator[Sign]:
    for heading in islice(_HEADING.finditer(head), _MOST_HEADINGS):
        found = _spoken(_plain(heading[1]), refused=refused)
        if found:
            yield Sign("heading", 40 if found.re is signs.SPOKEN else 20, _shown(found[0]))
            return


def _spoken(text: bytes, *, refused: bool) -> re.Match[bytes] | None:
    found = signs.SPOKEN.search(text) or signs.NAMED.search(text)
    return found or (None if refused else signs.REFUSED.search(text))


def _of_prose(prose: bytes, *, refused: bool) -> Iterator[Sign]:
    told = _found(signs.PHRASES if refused else signs.PHRASES + signs.DENIALS, prose)
    mentions = [word for word in _found(signs.MENTIONS, prose) if not _within(word, told)]
    for phrase in told[:2]:
        yield Sign("text", 25, _shown(phrase))
    for phrase in mentions[:2]:
        yield Sign("text", 10, _shown(phrase))
    if (told and len(prose) < _ONE_SENTENCE) or (mentions and len(prose) < _ONE_WORD):
        yield Sign("text", 35, "and nothing else")


def _found(phrases: tuple[bytes, ...], prose: bytes) -> list[bytes]:
    """Return those that are there; one that is a part of another counts once."""
    found: list[bytes] = []
    for phrase in phrases:
        if phrase in prose and not _within(phrase, found):
            found.append(phrase)
    return found


def _within(phrase: bytes, others: list[bytes]) -> bool:
    return any(phrase in other for other in others)


def _of_forms(head: bytes) -> Iterator[Sign]:
    data = signs.DATA_FORM.search(head)
    widget, form = signs.WIDGET.search(head), signs.FORM.search(head)
    if widget:
        yield Sign("widget", 25)
    if form or (widget and b"<form" in head and not data):
        yield Sign("form", 25)
    if data:
        yield Sign("form for data", -60)


def _of_scripts(head: bytes, prose: bytes) -> Iterator[Sign]:
    if signs.REFRESH.search(head):
        yield Sign("refresh", 50)
    if b"document.cookie" in head and b"location.reload" in head and len(prose) < _LITTLE[0][0]:
        yield Sign("reload", 50)


def _of_emptiness(prose: bytes, links: int) -> Iterator[Sign]:
    weight = next((weight for most, weight in _LITTLE if len(prose) < most), _MUCH)
    if weight:
        yield Sign("little to read" if weight > 0 else "much to read", weight)
    if links <= _FEW_LINKS:
        yield Sign("few links", 10)


def _of_server(seen: Seen) -> Iterator[Sign]:
    server = seen.headers.get("server", "").lower()
    guarded = "x-datadome" in seen.headers or any(name in server for name in _SERVERS)
    if guarded or any(name.lower().startswith(_COOKIES) for name in seen.cookies):
        yield Sign("server", 10)


def _plain(text: bytes) -> bytes:
    """Write one blank for several, and apostrophes as typewriters did."""
    text = b" ".join(text.split())
    for apostrophe in _APOSTROPHES:
        text = text.replace(apostrophe, b"'")
    return text


def _shown(text: bytes) -> str:
    return text[:60].decode("utf-8", "replace")
