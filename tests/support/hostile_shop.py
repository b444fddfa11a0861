"""A shop that does what shops do to robots: whoever is patient and polite can have all of its items."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial

from tests.support.hostile import Hit, Hostile, Page, Wire, first, hangs, missing, resets, says

#: So long nothing comes where a page hangs, in seconds.
HANG_S = 30.0
A_LIST = 20
#: A request is too early if it comes so long after the answer that asked for patience, in seconds: what
#: was on its way cannot be called back.
ON_ITS_WAY_S = 0.3
MB = 1_000_000

CAPTCHA = """<html><title>Just a moment...</title><h1>Are you a robot?</h1>
<p>Please verify that you are a human to go on.</p>
<form action="/verify"><div class="g-recaptcha"></div></form></html>"""


class Shop(Hostile):
    """So many items, and some pages that nobody can have; `early`: requests against a Retry-After."""

    def __init__(self, items: int = 200, *, retry_after: int = 2) -> None:
        super().__init__(page_of=self._find)
        self.items = items
        self.early: list[str] = []
        self._retry_after = retry_after
        self._closed: list[tuple[str, float, float]] = []
        self._lists = -(-items // A_LIST)
        self.pages |= _traps() | {
            "/": says(_links([*self._all_lists(), *(_DOORS.get(trap, trap) for trap in TRAPS)]))
        }

    def report(self) -> dict[str, int]:
        """How it was treated."""
        asked = self.asked()
        items = sum(count for path, count in asked.items() if path.startswith("/item/"))
        facts = {"requests": len(self.hits), "for_items": items, "early": len(self.early)}
        return {**facts, "robots": asked["/robots.txt"]}

    def names(self) -> set[str]:
        """What a perfect robot brings home."""
        return {name_of(number) for number in range(self.items)}

    def _all_lists(self) -> Iterator[str]:
        return (f"/list/{number}" for number in range(self._lists))

    def _find(self, path: str) -> Page:
        _, kind, number = (*path.split("/", 2), "")[:3]
        if not number.isdigit():
            return missing
        if kind == "list":
            begin = int(number) * A_LIST
            some = range(begin, min(self.items, begin + A_LIST))
            page = says(_links(_door(item) for item in some))
        elif kind == "old":
            page = says(status=301, Location=f"/item/{number}")
        else:
            page = self._item(int(number))
        return partial(self._watched, page)

    async def _watched(self, page: Page, hit: Hit, wire: Wire) -> None:
        for path, begin, end in self._closed:
            here = path == hit.path
            if (begin if here else begin + ON_ITS_WAY_S) < hit.at < end:
                self.early.append(hit.path)
        await page(hit, wire)

    def _item(self, number: int) -> Page:
        page = _item_page(number)
        trick = _TRICKS.get(number % A_LIST)
        if trick is not None:
            return first(trick, page)
        if number % A_LIST in (4, 5):
            return first(partial(self._too_much, (429, 503)[number % 2]), page)
        return page

    async def _too_much(self, status: int, hit: Hit, wire: Wire) -> None:
        await wire.say("later", status, {"Retry-After": str(self._retry_after)})
        now = time.monotonic()
        self._closed.append((hit.path, now, now + self._retry_after))


def name_of(number: int) -> str:
    return ("Größe", "Цена", "Prix d\u2019été")[number % 3] + f" {number}"


def _item_page(number: int) -> Page:
    """The page of an item; some say that they are written in another way than they are."""
    text = f'<h1>{name_of(number)}</h1><b class="price">{number}.50 €</b>{"<p>what it is</p>" * 9}'
    charset, claimed = "utf-8", "utf-8"
    if number % A_LIST == 11:
        claimed = "iso-8859-1"
    elif number % A_LIST == 12:
        charset, claimed = ("cp1251", "utf-8") if number % 3 == 1 else ("cp1252", "utf-8")
        text = f'<meta charset="windows-{charset[2:]}">{text}'
    raw = text.encode(charset)
    return says(raw, Content_Type=f"text/html; charset={claimed}")


def _door(number: int) -> str:
    return f"/old/{number}" if number % A_LIST == 13 else f"/item/{number}"


#: What happens at the first look at some items of each list.
_TRICKS: dict[int, Page] = {
    **dict.fromkeys((0, 10), hangs(HANG_S)),
    1: says(CAPTCHA),
    2: says(CAPTCHA, 403, Server="cloudflare", cf_mitigated="challenge"),
    3: resets,
    7: says("no", 403),
    8: says(gzip.compress(b"<h1>cut off</h1>" * 99)[:-30], Content_Encoding="gzip"),
}


def _links(paths: Iterable[str]) -> str:
    return "".join(f'<a href="{path}">{path}</a> ' for path in paths)


async def _big(_hit: Hit, wire: Wire) -> None:
    await wire.raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (50 * MB))
    await wire.raw(bytes(50 * MB))


async def _flood(_hit: Hit, wire: Wire) -> None:
    await wire.pour(b"<p>" * (MB // 3) for _ in range(50))


async def _drip(_hit: Hit, wire: Wire) -> None:
    await wire.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    while True:
        await wire.raw(b"x")
        await asyncio.sleep(0.2)


#: Pages that nobody can have, or should want, and how they are told of.
TRAPS = {
    "/loop/b": "redirect",
    "/chain/5": "redirect",
    "/big": "too_big",
    "/flood": "too_big",
    "/bomb": "too_big",
    "/drip": "timeout",
    "/cut": "parse",
    "/robot": "soft_block",
    "/forbidden": "http_403",
    "/broken": "http_5xx",
    "/reset": "connect",
    "/gone": "gone",
}
#: Where the way to some of them begins.
_DOORS = {"/loop/b": "/loop/a", "/chain/5": "/chain/0"}


def _traps() -> dict[str, Page]:
    loop = {f"/loop/{a}": says(status=302, Location=f"/loop/{b}") for a, b in ("ab", "ba")}
    chain = {f"/chain/{n}": says(status=302, Location=f"/chain/{n + 1}") for n in range(30)}
    bomb = gzip.compress(bytes(50 * MB), 1)
    return {
        **loop,
        **chain,
        "/big": _big,
        "/flood": _flood,
        "/bomb": says(bomb, Content_Encoding="gzip"),
        "/drip": _drip,
        "/cut": says(gzip.compress(b"x" * 9999)[:-9], Content_Encoding="gzip"),
        "/robot": says(CAPTCHA),
        "/forbidden": says("no", 403),
        "/broken": says("oh", 500),
        "/reset": resets,
    }


def main(items: int, retry_after: int) -> None:
    """Tell the URL, and at the end of stdin how it was treated."""
    with Shop(items, retry_after=retry_after) as shop:
        sys.stdout.write(shop.url() + "\n")
        sys.stdout.flush()
        sys.stdin.read()
        sys.stdout.write(json.dumps(shop.report()))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
