"""What sites do to crawlers, and how that must end: the same whoever crawls."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.support.hostile import Hit, Hostile, Page, Wire, first, hangs, resets, says, sends

ITEM = "<h1 class=name>{}</h1>"


@dataclass(frozen=True)
class Seen:
    """How a job ended: with the names of its items, and its failures as they are told."""

    state: str
    reason: str
    names: list[str]
    failures: list[dict[str, Any]]

    def kinds(self, fact: str = "kind") -> dict[str, str]:
        """The class of each page that is not done, by what follows its host."""
        return {"/" + row["url"].split("/", 3)[3]: row[fact] for row in self.failures}


@dataclass(frozen=True)
class Case:
    """A site's definition, and what must be true of its job when it has ended."""

    definition: dict[str, Any]
    check: Callable[[Seen], None]


def shop(starts: Iterable[str], **more: Any) -> dict[str, Any]:
    # None of the harms waits for it: only a machine that is busy is slow.
    limits = {"timeout": "20s", "attempts": 2} | more.pop("limits", {})
    return {
        "name": "shop",
        "start_urls": list(starts),
        "follow": [{"css": "a"}],
        "item": {
            "match": "/item/",
            "fields": {"name": {"css": "h1.name::text", "required": True}},
        },
        "rate": 2000.0,
        "burst": 100,
        "concurrency": 16,
        "allow_private": True,
        "breaker": {"failures": 10_000},
        "limits": limits,
        **more,
    }


def links(paths: Iterable[str]) -> str:
    return "".join(f'<a href="{path}">x</a>\n' for path in paths)


def raw(head: str, body: bytes = b"") -> Page:
    return sends(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)


async def _endless_head(_hit: Hit, wire: Wire) -> None:
    await wire.raw(b"HTTP/1.1 200 OK\r\n")
    while True:
        await wire.raw(b"X-More: " + b"x" * 5000 + b"\r\n")


async def _continues(_hit: Hit, wire: Wire) -> None:
    while True:
        await wire.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)


async def _trailers(_hit: Hit, wire: Wire) -> None:
    await wire.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n")
    await wire.raw(b"More: of it\r\n" * 20_000)


OK = "HTTP/1.1 200 OK\nContent-Type: text/html"
CHUNK = b"%x\r\n%b\r\n" % (len(ITEM), ITEM.encode())

#: What harms, and the class that it ends with; "" is a page.
HARM: dict[str, tuple[Page, str]] = {
    # HTTP
    "endless_head": (_endless_head, "protocol"),
    "continues": (_continues, "protocol"),
    "trailers": (_trailers, "protocol"),
    "tiny_chunks": (
        raw(f"{OK}\nTransfer-Encoding: chunked", CHUNK + b"1\r\n \r\n" * 200_000 + b"0\r\n\r\n"),
        "protocol",
    ),
    "no_chunk": (raw(f"{OK}\nTransfer-Encoding: chunked", b"zz\r\nx\r\n"), "protocol"),
    "short": (raw(f"{OK}\nContent-Length: 500", b"<h1 class=name>x</h1>"), "protocol"),
    "negative": (raw(f"{OK}\nContent-Length: -5", b"hello"), "protocol"),
    "two_lengths": (raw(f"{OK}\nContent-Length: 5\nContent-Length: 7", b"hello12"), "protocol"),
    "long_length": (raw(f"{OK}\nContent-Length: {'9' * 5000}", b"hello"), "protocol"),
    "not_http": (sends(b"<h1 class=name>x</h1>"), "protocol"),
    "a_part": (raw("HTTP/1.1 206 X\nContent-Length: 21", b"<h1 class=name>x</h1>"), "protocol"),
    "another_protocol": (raw("HTTP/1.1 101 X\nUpgrade: x\nConnection: upgrade"), "protocol"),
    "not_modified": (raw("HTTP/1.1 304 X"), "http_4xx"),
    "cookie": (says(ITEM, Set_Cookie="a=" + "b" * 1_000_000), "protocol"),
    "nowhere": (says(status=302, Location="javascript:x"), "redirect"),
    "other_scheme": (says(status=302, Location="file:///etc/passwd"), "redirect"),
    "broken_place": (says(status=302, Location="http://[::1"), "redirect"),
    # bodies
    "spaces": (says(gzip.compress(b" " * 30_000_000), Content_Encoding="gzip"), "too_big"),
    "packed_twice": (
        says(gzip.compress(b""), Content_Encoding="gzip, gzip"),
        "parse",
    ),
    "not_packed": (says(ITEM, Content_Encoding="gzip"), "parse"),
    "junk_behind": (
        says(gzip.compress(ITEM.encode()) + b"junk", Content_Encoding="gzip"),
        "",
    ),
    "raw_deflate": (
        says(zlib.compress(ITEM.encode())[2:-4], Content_Encoding="deflate"),
        "",
    ),
    "blank": (says(""), "parse"),
    "picture": (says(b"\x89PNG", Content_Type="image/png"), "not_text"),
    # text and markup
    "utf_16": (says(ITEM.encode("utf-16"), Content_Type="text/html; charset=latin-1"), ""),
    "no_charset": (says(b"\xff" + ITEM.encode(), Content_Type="text/html; charset=zip"), ""),
    "zeros": (says(b"\0" * 1000 + ITEM.encode()), ""),
    "nested": (says("<div>" * 300_000), "parse"),
    "choice": (says("<select>" + "<option selected>x" * 50_000 + f"</select>{ITEM}"), ""),
    "tags": (says("<p>" * 1_500_000), "parse"),
    # patience
    "in_the_past": (says("", 429, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"), "http_429"),
    "less_than_none": (says("", 429, Retry_After="-5"), "http_429"),
    "sometime": (says("", 503, Retry_After="soon"), "http_5xx"),
}

#: What it ends with where libcurl asks.
OTHERS = {
    "tiny_chunks": "",
    "long_length": "too_big",
    "junk_behind": "parse",
}

#: Links that lead to no page of the site, or to one that it does not have.
LINKS = [
    *(
        "javascript:void(0)",
        "data:text/html,x",
        "mailto:a@b",
        "ftp://x/y",
        "//",
        "http:",
        "http://",
    ),
    *("http://user:pw@other.example/x", "http://[::1", "http://127.0.0.1:99999/", "http://a..b/"),
    *("\x00\x01", "&#0;", "&#xFFFFFFFF;", "/item/" + "q" * 100_000, "http://xn--/", "#" * 50),
]


#: What is asked for when a robots.txt is like this: both pages, one, or none.
ROBOTS: dict[str, tuple[Page, int]] = {
    "hangs": (hangs(30), 0),
    "hangs once": (first(hangs(30), says("", 404)), 2),
    "fails": (says("", 500), 0),
    "is reset": (resets, 0),
    "is forbidden": (says("", 403), 2),
    "leads to itself": (says(status=301, Location="/robots.txt"), 2),
    "is large": (says("User-agent: *\nDisallow: /item\n" + "#" * 10_000_000), 1),
    "is a bomb": (
        says(
            gzip.compress(b"User-agent: *\nDisallow: /item\n" + bytes(20_000_000)),
            Content_Encoding="gzip",
        ),
        1,
    ),
    "is in another encoding": (says("User-agent: *\nDisallow: /item".encode("utf-16")), 1),
    "is a page": (says("<html>Disallow: /item</html>"), 2),
    "says a negative delay": (says("User-agent: *\nCrawl-delay: -5"), 2),
    "forbids all": (says("User-agent: *\nDisallow: /"), 0),
}


@contextmanager
def answers(engine: str | None = None) -> Iterator[Case]:
    """Each page ends with its class, and no other is hurt."""
    pages = {f"/item/{name}": page for name, (page, _) in HARM.items()}
    wanted = {name: kind for name, (_, kind) in HARM.items()} | (OTHERS if engine else {})

    def check(seen: Seen) -> None:
        assert seen.state == "partial"
        found = seen.kinds()
        assert {name: found.pop(f"/item/{name}", "") for name in HARM} == wanted
        assert set(found) <= {"/%EF%BF%BD"}
        assert len(seen.names) == sum(not kind for kind in wanted.values())

    with Hostile({**pages, "/": says(links([*pages, *LINKS]))}) as site:
        more = {"impersonate": engine} if engine else {}
        yield Case(shop([site.url()], **more), check)


@contextmanager
def robots() -> Iterator[Case]:
    """Whatever a robots.txt is like, its host is asked rightly."""
    with ExitStack() as stack:
        sites = {
            name: stack.enter_context(
                Hostile({"/robots.txt": page, "/": says(links(["/item/x"])), "/item/x": says(ITEM)})
            )
            for name, (page, _) in ROBOTS.items()
        }

        def check(seen: Seen) -> None:
            assert seen.state == "partial"
            for name, site in sites.items():
                asked = site.asked()
                assert asked.pop("/robots.txt") >= 1
                assert (name, sum(asked.values())) == (name, ROBOTS[name][1])

        starts = [site.url() for site in sites.values()]
        # Longer than a machine stands still: whoever hangs once has one attempt left.
        yield Case(shop(starts, limits={"timeout": "6s"}), check)


@contextmanager
def calendar() -> Iterator[Case]:
    """A site without end is left at the bound."""

    def days(path: str) -> Page:
        below = (f"{path.rstrip('/')}/{n}" for n in range(5))
        return says(links([*below, f"{path}?session={len(path)}"]) + ITEM)

    with Hostile(page_of=days) as site:
        site.pages["/robots.txt"] = says("", 404)

        def check(seen: Seen) -> None:
            assert "limits.pages = 120" in seen.reason
            assert len(site.hits) == 120 + 1
            assert max(path.count("/") for path in site.asked()) <= 1 + 3

        yield Case(shop([site.url()], limits={"pages": 120, "depth": 3}), check)


@contextmanager
def ring() -> Iterator[Case]:
    """Redirects in a circle are told."""
    pages = {f"/item/{n}": says(status=302, Location=f"/item/{(n + 1) % 3}") for n in range(3)}
    with Hostile({**pages, "/": says(links(["/item/0"]))}) as site:

        def check(seen: Seen) -> None:
            assert seen.kinds()["/item/2"] == "redirect"
            assert seen.kinds("reason")["/item/2"].startswith("redirect: in a circle, by http://")
            assert set(site.asked().values()) == {1}

        yield Case(shop([site.url()]), check)


@contextmanager
def challenge() -> Iterator[Case]:
    """A challenge with a heading is never an item."""
    asks = says(
        "<title>Just a moment...</title><h1>Are you a robot?</h1><p>Verify that you are a human.</p>"
    )
    pages = {"/item/1": first(asks, says("<h1>one</h1>")), "/item/2": asks}
    item = {"match": "/item/", "fields": {"name": {"css": "h1::text", "required": True}}}

    def check(seen: Seen) -> None:
        assert (seen.state, seen.names) == ("partial", ["one"])
        assert seen.kinds() == {"/item/2": "soft_block"}

    with Hostile({**pages, "/": says(links(pages))}) as site:
        yield Case(shop([site.url()], item=item), check)


@contextmanager
def login() -> Iterator[Case]:
    """Items behind a login are missing items."""
    pages = {f"/item/{n}": says(status=302, Location=f"/login?next={n}") for n in range(9)}
    pages["/item/9"] = says(ITEM)

    def check(seen: Seen) -> None:
        assert seen.state == "partial"
        assert seen.reason.startswith("name is missing in 9 of 10 items")

    with Hostile(
        {**pages, "/": says(links(pages))}, lambda _: says("<form>who are you?</form>")
    ) as site:
        site.pages["/robots.txt"] = says("", 404)
        yield Case(shop([site.url()]), check)


@contextmanager
def drops() -> Iterator[Case]:
    """A shop that drops a few items is done."""
    pages = {f"/item/{n}": says(ITEM) for n in range(9)}
    pages["/item/9"] = says(status=302, Location="/")
    pages["/item/7"] = says(status=301, Location="/item/8")

    def check(seen: Seen) -> None:
        assert (seen.state, seen.reason) == ("done", "")

    with Hostile({**pages, "/": says(links(pages))}) as site:
        yield Case(shop([site.url()]), check)


SITES: dict[str, Callable[[], AbstractContextManager[Case]]] = {
    "answers": answers,
    "answers-chrome": partial(answers, "chrome"),
    "robots": robots,
    "calendar": calendar,
    "ring": ring,
    "challenge": challenge,
    "login": login,
    "drops": drops,
}
