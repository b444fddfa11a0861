"""Looking jobs up in a queue on Redis, a few in each call: no call takes longer in a long queue."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.core.keys import JobQueueKeys
    from orchestrator.core.redis import Redis
    from orchestrator.queue.job_verbs import JobVerbs
    from orchestrator.queue.model import Job

#: Ids that are looked through in one call, and jobs that are read in one: those may be large.
IDS, JOBS = 1000, 100

#: A sorted set, and whether it is read from its end.
_List: TypeAlias = tuple[str, bool]


class Catalogue:
    """The jobs of one queue, in the order in which people want them."""

    def __init__(self, client: Redis, keys: JobQueueKeys, verbs: JobVerbs) -> None:
        self._client = client
        self._keys = keys
        self._verbs = verbs

    def jobs(
        self, state: QueueState | None, key: str | None, limit: int, after: str | None = None
    ) -> list[Job]:
        """Return at most `limit` jobs; all of the state are looked through for those of a key.

        Raises:
            ValueError: `after` is no job of the state.
        """
        told: dict[str, Job] = {}
        for ids in self._pages(_lists(self._keys, state), after):
            if len(told) >= limit:
                break
            for some in pieces(self._of(ids, key), JOBS):
                found = self.known(some)
                told.update((job.id, job) for job in found if state in {None, job.state})
                if len(told) >= limit:
                    break
        return list(told.values())[: max(0, limit)]

    def failed(
        self, key: str | None, error_like: str, after: int, until_ms: int
    ) -> tuple[int, list[str]]:
        """Look at the next jobs behind the first `after` that ended as error until then, oldest first.

        Return how many there were (0: no more), and the ids of those that were looked for.
        """
        reply = self._client.zrangebyscore(
            self._keys.failed, "-inf", until_ms, start=after, num=IDS
        )
        ids = [str(job_id) for job_id in reply]
        found = self._of(ids, key)
        return len(ids), self._with_reason(found, error_like) if error_like else found

    def failed_of(self, ids: Iterable[str], key: str | None, error_like: str) -> Iterator[str]:
        """Those of these jobs that ended as error, and were looked for."""
        for some in pieces(list(ids), JOBS):
            for job in self.known(some):
                wanted = job.state is QueueState.ERROR and key in {None, job.key}
                if wanted and error_like.casefold() in job.reason.casefold():
                    yield job.id

    def known(self, ids: Sequence[str]) -> Iterator[Job]:
        """What is known of these jobs, some of which may be gone."""
        while ids:
            found, looked_at = self._verbs.look(ids).run(self._client)
            yield from found
            ids = ids[looked_at:]

    def every(self, state: QueueState | None, key: str | None) -> Iterator[Job]:
        """All jobs that are there from the begin to the end of this."""
        cursor, begun = 0, False
        while cursor or not begun:
            reply: Any = self._client.hscan(self._keys.state, cursor, count=IDS)
            cursor, begun = reply[0], True
            ids = [
                job_id for job_id, letter in reply[1].items() if state is None or letter == state[0]
            ]
            for some in pieces(self._of(ids, key), JOBS):
                yield from (job for job in self.known(some) if state in {None, job.state})

    def now_ms(self) -> int:
        """The server's clock."""
        seconds, micros = self._client.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def _pages(self, lists: Sequence[_List], after: str | None) -> Iterator[list[str]]:
        """The ids of some lists, one list behind the other; only those behind a job."""
        first, start = (0, 0) if after is None else self._behind(lists, after)
        for name, newest_first in lists[first:]:
            while ids := self._client.zrange(name, start, start + IDS - 1, desc=newest_first):
                yield [str(job_id) for job_id in ids]
                start += len(ids)
            start = 0

    def _behind(self, lists: Sequence[_List], after: str) -> tuple[int, int]:
        """In which list a job is, and the place behind it."""
        for number, (name, newest_first) in enumerate(lists):
            of = self._client.zrevrank if newest_first else self._client.zrank
            rank = of(name, after)
            if isinstance(rank, int):
                return number, rank + 1
        for known in self.known([after]):
            raise ValueError(f"the job {after!r} is {known.state}, and not in this list")
        raise ValueError(f"there is no job {after!r}")

    def _of(self, ids: Sequence[str], key: str | None) -> list[str]:
        """Those that have the key; None: all."""
        if key is None or not ids:
            return list(ids)
        facts = self._client.hmget(self._keys.about, list(ids))
        return [
            job_id
            for job_id, about in zip(ids, facts, strict=True)
            if about and str(about).split("\n")[1] == key
        ]

    def _with_reason(self, ids: Sequence[str], part: str) -> list[str]:
        facts = self._client.hmget(self._keys.error, list(ids)) if ids else []
        return [
            job_id
            for job_id, error in zip(ids, facts, strict=True)
            if error and part.casefold() in json.loads(error)["reason"].casefold()
        ]


def _lists(keys: JobQueueKeys, state: QueueState | None) -> list[_List]:
    """Where the jobs of a state are: queued ones by when they are due, others newest first."""
    found = {
        QueueState.QUEUED: [(keys.since, False), (keys.delayed, False)],
        QueueState.IN_PROGRESS: [(keys.leased, True)],
        QueueState.DONE: [(keys.done, True)],
        QueueState.SKIPPED: [(keys.skipped, True)],
        QueueState.ERROR: [(keys.failed, True)],
    }
    return found[state] if state else list(chain.from_iterable(found.values()))


def pieces(words: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Cut a list into pieces.

    >>> list(pieces("abc", 2))
    ['ab', 'c']
    """
    for start in range(0, len(words), size):
        yield words[start : start + size]
