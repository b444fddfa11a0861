"""A documentation tree to crawl: the standard library's own, cut into pages of about 14 KB.

Every page is reached by one link from its parent, and by more across; all of them are HTML with a
heading that is the page's item.
"""

from __future__ import annotations

import pydoc
import random
import re
import sys
from functools import cache
from pathlib import Path

#: Links to its children that a page has, and bytes of text, at least.
CHILDREN, SIZE = 8, 13_000
#: Modules that do something when they are imported.
_NOT_READ = {"antigravity", "this", "idlelib", "turtledemo", "__main__"}
_HREF = re.compile(r'href="[^"]*"')


def write(folder: Path, pages: int) -> None:
    """Write `0.html` to `<pages - 1>.html`; the same ones for the same number of pages."""
    chance = random.Random(pages)
    pieces = _pieces()
    folder.mkdir(parents=True)
    for number in range(pages):
        below = range(CHILDREN * number + 1, min(CHILDREN * number + CHILDREN + 1, pages))
        links = "".join(f'<li><a href="{child}.html">page {child}</a></li>' for child in below)
        text = _HREF.sub(
            lambda _: f'href="{chance.randrange(pages)}.html"', pieces[number % len(pieces)]
        )
        (folder / f"{number}.html").write_text(
            f'<!doctype html><html><head><meta charset="utf-8"><title>{number}</title></head>'
            f"<body><h1>page {number}</h1><ul>{links}</ul>{text}</body></html>",
            "utf-8",
        )


@cache
def _pieces() -> list[str]:
    pieces, piece = [], ""
    for name in sorted(sys.stdlib_module_names - _NOT_READ):
        for part in _html(name).split("</dl>"):
            piece += part
            if len(piece) >= SIZE:
                pieces.append(piece)
                piece = ""
    return pieces


def _html(module: str) -> str:
    if module.startswith("_"):
        return ""
    try:
        found = pydoc.safeimport(module)
    except pydoc.ErrorDuringImport:
        return ""  # it is for another system
    return pydoc.html.document(found, module) if found else ""
