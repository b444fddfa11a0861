"""Pages that ended, queued anew: their job goes on with them, in the same step."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import TYPE_CHECKING

from orchestrator.core.script import Call, Script, load
from sites.job.state import REOPENED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.core.keys import Keys
    from orchestrator.core.redis import Redis
    from sites.job.ref import JobRef
    from sites.results.retryable import Page

#: Pages that one script queues; the job has some of them again, and goes on, before the next come.
MOST_A_CALL = 500

_QUEUE = ("queue", "frontier/keys", "frontier/lanes", "frontier/anew")
_PARTS = ("record", "shards")


class Again:
    """Queues pages of one job anew."""

    def __init__(self, redis: Redis, keys: Keys, ref: JobRef) -> None:
        self._redis = redis
        self._keys = keys
        self._ref = ref
        self._frontier = keys.frontier(ref.site, ref.id)

    @property
    def forgotten(self) -> bool:
        """Whether the frontier has expired; it knows a page at least from the first look on."""
        return not self._redis.exists(self._frontier.state)

    def still_there(self, pages: Iterable[Page]) -> Iterator[Page]:
        """Those of `pages` that the frontier knows as failed or skipped, in their order."""
        for some in _pieces(pages):
            states = self._redis.hmget(self._frontier.state, [page.url for page in some])
            yield from (page for page, was in zip(some, states, strict=True) if was in ("e", "s"))

    def queue(self, pages: Iterable[Page]) -> int:
        """Queue them anew, their attempts from the start; return how many were.

        Whoever is killed in it has queued some of them, and the job goes on with those.
        """
        return sum(self._call(some).run(self._redis) for some in _pieces(pages))

    def _call(self, pages: list[Page]) -> Call[int]:
        keys, ref = self._keys, self._ref
        names = [
            *self._frontier.all(),
            *(keys.job(ref.site, ref.id, part) for part in _PARTS),
            *(keys.active_jobs(), keys.ended_jobs(), keys.results(), keys.current_jobs()),
        ]
        words = [ref.site, ref.id, *sorted(REOPENED), ""]
        words += [word for page in pages for word in (page.url, page.facts, page.counter)]
        return Call(_script(), names, words, lambda reply: int(reply[0]))


def _script() -> Script:
    parts = (load("orchestrator.queue", *_QUEUE), load("sites.shared", "moving", "again"))
    text = "\n".join(part.text for part in parts)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _pieces(pages: Iterable[Page]) -> Iterator[list[Page]]:
    rest = iter(pages)
    while some := list(islice(rest, MOST_A_CALL)):
        yield some
