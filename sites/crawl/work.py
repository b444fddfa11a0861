"""A leased page, and where it stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.queue.model import NewJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.queue.model import Lease
    from sites.results.memory import Known


@dataclass(slots=True)
class Work:
    """A page that this shard works on.

    `via`: the pages that were asked for before, each of which redirects to the next, the last one here.
    `waiting` until a request is out; `waits_for` says for what, to people. `closing`: make no request
    any more. `since` when it is ours, on the clock of the event loop. `known`: what runs before know.
    """

    lease: Lease
    depth: int = 0
    via: tuple[str, ...] = ()
    waiting: bool = True
    waits_for: str = ""
    closing: bool = False
    out_at_the_end: bool = False
    since: float = 0.0
    known: Known | None = None

    @classmethod
    def of(cls, lease: Lease, now: float = 0.0) -> Work:
        """Read what the frontier knows of the page."""
        facts = json.loads(lease.payload)
        return cls(lease, facts.get("depth", 0), tuple(facts.get("via", ())), since=now)

    @property
    def url(self) -> str:
        """Its canonical URL, which is its id."""
        return self.lease.id


def new_page(url: str, depth: int = 0, via: Sequence[str] = (), *, priority: int = 0) -> NewJob:
    """Return a page for the frontier; its URL is what makes it idempotent.

    >>> new_page("http://example.com/", depth=2).payload
    '{"depth": 2}'
    """
    facts = {"depth": depth, "via": list(via)} if via else {"depth": depth}
    return NewJob(url, json.dumps(facts), priority)
