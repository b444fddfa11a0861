"""What people do with the jobs of a queue on Redis: look at them, end them, try them again, forget them."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from orchestrator.core.redis import Redis, translated
from orchestrator.queue.catalogue import Catalogue
from orchestrator.queue.job_verbs import MOST_PRUNED
from orchestrator.queue.model import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.core.keys import JobQueueKeys
    from orchestrator.queue.job_verbs import JobVerbs
    from orchestrator.queue.model import Job, QueueState

#: Tokens or ids in one call.
_MOST_WORDS = 500


class RedisUpkeep:
    """The part of `RedisStore` that no runner needs."""

    def __init__(self, client: Redis, keys: JobQueueKeys, verbs: JobVerbs) -> None:
        self._client = client
        self._keys = keys
        self._verbs = verbs
        self._catalogue = Catalogue(client, keys, verbs)

    @translated()
    def job(self, job_id: str) -> Job | None:
        """See `Store`."""
        return next(self._catalogue.known([job_id]), None)

    @translated()
    def jobs(
        self,
        *,
        state: QueueState | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> list[Job]:
        """See `Store`; without a `state` it is state by state."""
        return self._catalogue.jobs(state, key, limit, after)

    def every(self, *, state: QueueState | None = None, key: str | None = None) -> Iterator[Job]:
        """See `Store`; one may come twice when nearly all others are forgotten meanwhile (`HSCAN`)."""
        jobs = self._catalogue.every(state, key)
        while True:
            with translated():
                job = next(jobs, None)
            if job is None:
                return
            yield job

    @translated()
    def cancel(self, job_ids: Iterable[str], reason: str = "cancelled") -> int:
        """See `Store`."""
        calls = (self._verbs.cancel(some, reason) for some in some_of(job_ids))
        return sum(call.run(self._client) for call in calls)

    @translated()
    def expire(self, worker: str, job_ids: Iterable[str]) -> list[str]:
        """See `Store`."""
        calls = (self._verbs.expire(worker, some) for some in some_of(job_ids))
        return [job_id for call in calls for job_id in call.run(self._client)]

    @translated()
    def retry_failed(
        self,
        *,
        ids: Iterable[str] | None = None,
        key: str | None = None,
        error_like: str = "",
        limit: int | None = None,
        dry_run: bool = False,
    ) -> list[str]:
        """See `Store`; what fails while this runs is left."""
        if ids is not None:
            found = list(self._catalogue.failed_of(dict.fromkeys(ids), key, error_like))[:limit]
            return found if dry_run else self._requeue(found)
        anew: list[str] = []
        passed, until = 0, self._catalogue.now_ms()
        while limit is None or len(anew) < limit:
            there, chosen = self._catalogue.failed(key, error_like, passed, until)
            if not there:
                break
            chosen = chosen if limit is None else chosen[: limit - len(anew)]
            again = chosen if dry_run else self._requeue(chosen)
            passed += there if dry_run else there - len(again)
            anew += again
        return anew

    @translated()
    def prune(self, older_than: float, states: Iterable[QueueState] | None = None) -> int:
        """See `Store`."""
        ended = sorted(ENDED.intersection(ENDED if states is None else states))
        gone = 0
        while ended:
            forgotten = self._verbs.prune(older_than, ended).run(self._client)
            gone += forgotten
            if forgotten < MOST_PRUNED:
                break
        return gone

    @translated()
    def forget(self, job_ids: Iterable[str]) -> list[str]:
        """See `Store`."""
        calls = (self._verbs.forget(some) for some in some_of(job_ids))
        return [job_id for call in calls for job_id in call.run(self._client)]

    def _requeue(self, ids: Sequence[str]) -> list[str]:
        calls = (self._verbs.requeue(some) for some in some_of(ids))
        return [job_id for call in calls for job_id in call.run(self._client)]


def some_of(words: Iterable[str]) -> Iterator[list[str]]:
    """Cut into what one call takes.

    >>> [len(some) for some in some_of(map(str, range(600)))]
    [500, 100]
    """
    rest = iter(words)
    while some := list(islice(rest, _MOST_WORDS)):
        yield some
