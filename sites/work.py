"""A leased page, and where it stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.queue.model import NewJob

if TYPE_CHECKING:
    from orchestrator.queue.model import Lease


@dataclass(slots=True)
class Work:
    """A page that this shard works on.

    `waiting` until a request is out; `waits_for` says for what, to people. `closing`: make no request
    any more. `since` when it is ours, on the clock of the event loop.
    """

    lease: Lease
    depth: int = 0
    hops: int = 0
    waiting: bool = True
    waits_for: str = ""
    closing: bool = False
    out_at_the_end: bool = False
    since: float = 0.0

    @classmethod
    def of(cls, lease: Lease, now: float = 0.0) -> Work:
        """Read what the frontier knows of the page."""
        facts = json.loads(lease.payload)
        return cls(lease, facts.get("depth", 0), facts.get("hops", 0), since=now)

    @property
    def url(self) -> str:
        """Its canonical URL, which is its id."""
        return self.lease.id


def new_page(url: str, depth: int = 0, hops: int = 0) -> NewJob:
    """Return a page for the frontier; its URL is what makes it idempotent.

    >>> new_page("http://example.com/", depth=2).payload
    '{"depth": 2}'
    """
    return NewJob(url, json.dumps({"depth": depth, "hops": hops} if hops else {"depth": depth}))
