"""With what sites can tell that their pages are as they were: the newest proof of each page."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from sites.results.outcome import Sight

#: Links are packed for each page: the quickest way does.
_LEVEL = 1

# What a page was like, unless a later run has seen it since.
_PUT = """INSERT INTO proofs (url, job, etag, last_modified, recipe, links)
  VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (url) DO UPDATE SET job = excluded.job, etag = excluded.etag,
    last_modified = excluded.last_modified, recipe = excluded.recipe, links = excluded.links
  WHERE excluded.job >= job"""


def put(db: sqlite3.Connection, job: str, url: str, sight: Sight) -> None:
    """Keep the proof of a page that was read.

    An older one stays right when a run keeps none: as long as the site says so, the page is as it was then.
    """
    links = zlib.compress(json.dumps([sight.links, sight.further, sight.dropped]).encode(), _LEVEL)
    db.execute(_PUT, (url, job, sight.etag, sight.last_modified, sight.recipe, links))


def unpacked(links: bytes) -> tuple[list[str], list[str], int]:
    """Return where a page leads, a step deeper and in the same list, and how many items were dropped."""
    deeper, further, dropped = json.loads(zlib.decompress(links))
    return deeper, further, dropped
