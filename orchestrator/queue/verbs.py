"""Each verb of the queue as one run of one script: all that the two Redis clients share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import LeaseLost
from orchestrator.core.script import Call, load
from orchestrator.queue.model import ENDED, Lease, Stats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.core.keys import QueueKeys
    from orchestrator.core.script import Script
    from orchestrator.queue.model import NewJob, QueueState, Result

#: New jobs, leases or tokens in one script call: it stays short for everybody else.
MOST_A_CALL = 1000
#: Delayed jobs that become ready, and leases that are reaped, in one `lease`.
SWEEP = 200
#: A lease that ran out so often ends its job as error.
MAX_ATTEMPTS = 3


def batches(jobs: Sequence[NewJob], size: int = MOST_A_CALL) -> Iterator[Sequence[NewJob]]:
    """Cut `jobs` into pieces that one call may take.

    >>> from orchestrator.queue.model import NewJob
    >>> [len(piece) for piece in batches([NewJob(name) for name in "abc"], size=2)]
    [2, 1]
    """
    for start in range(0, len(jobs), size):
        yield jobs[start : start + size]


class Verbs:
    """The verbs of one queue as calls that are still to be run."""

    __slots__ = ("_keys",)

    def __init__(self, keys: QueueKeys) -> None:
        self._keys = keys.all()

    def enqueue(self, jobs: Sequence[NewJob], most: int | None = None) -> Call[int]:
        """Add at most `MOST_A_CALL` jobs; the reply is how many were new."""
        args: list[str | int] = [_bound(most), len(jobs), *_words(jobs)]
        return Call(_script("enqueue"), self._keys, args, int)

    def lease(
        self, n: int, ttl: float, *, backlog: tuple[str, int] | None, max_attempts: int
    ) -> Call[list[Lease]]:
        """Take up to `n` jobs for `ttl` seconds."""
        key, limit = backlog or (None, 0)
        keys = [*self._keys, key] if key else self._keys
        args = [min(n, MOST_A_CALL), _ms(ttl), max_attempts, limit, SWEEP]
        return Call(_script("lease"), keys, args, _leases)

    def extend(self, tokens: Mapping[str, str], ttl: float) -> Call[list[str]]:
        """Let these leases end `ttl` seconds from now; the reply names those that are lost."""
        return Call(_script("extend"), self._keys, [_ms(ttl), *_pairs(tokens)], list)

    def release(self, tokens: Mapping[str, str]) -> Call[list[str]]:
        """Give these back unstarted; the reply names those that were lost before."""
        return Call(_script("release"), self._keys, _pairs(tokens), list)

    def retry(self, job_id: str, token: str, error: str, delay: float) -> Call[None]:
        """Let the job wait `delay` seconds for its next attempt."""
        args: list[str | int] = [job_id, token, _ms(delay), error]
        return Call(_script("retry"), self._keys, args, partial(_retried, job_id))

    def ack(self, job_id: str, token: str, state: QueueState, reason: str | None) -> Call[int]:
        """End the job: a commit without a result and without new jobs."""
        return self.commit(job_id, token, state, reason)

    def commit(
        self,
        job_id: str,
        token: str,
        state: QueueState,
        reason: str | None = None,
        result: Result | None = None,
        new_jobs: Sequence[NewJob] = (),
        most: int | None = None,
    ) -> Call[int]:
        """End the job, add its result and at most `MOST_A_CALL` new jobs: all or nothing."""
        if state not in ENDED:
            raise ValueError(f"a job cannot end as {state}")
        keys = list(self._keys)
        args: list[str | int] = [
            job_id,
            token,
            state,
            reason or "",
            _bound(most),
            len(new_jobs),
            *_words(new_jobs),
        ]
        if result:
            keys += [result.stream, result.bytes_key]
            args += [result.body, *_pairs(result.fields)]
        return Call(_script("commit"), keys, args, partial(_committed, job_id))

    def stats(self) -> Call[Stats]:
        """Count the jobs by state."""
        return Call(_script("stats"), self._keys, (), _stats)

    def retire(self, ttl: float) -> Call[int]:
        """Let every key of the queue expire."""
        return Call(_script("retire"), self._keys, [_ms(ttl)], int)


def _script(verb: str) -> Script:
    return load("orchestrator.queue", "queue", verb)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _bound(most: int | None) -> int:
    return -1 if most is None else most


def _words(jobs: Sequence[NewJob]) -> list[str | int]:
    return [word for job in jobs for word in (job.id, job.payload, job.priority, _ms(job.delay))]


def _pairs(fields: Mapping[str, str]) -> list[str]:
    return [word for pair in fields.items() for word in pair]


def _leases(reply: list[Any]) -> list[Lease]:
    quads = zip(*(reply[offset::4] for offset in range(4)), strict=True)
    return [Lease(job_id, token, payload, int(tried)) for job_id, token, payload, tried in quads]


def _retried(job_id: str, reply: int) -> None:
    if not reply:
        raise _lost(job_id)


def _committed(job_id: str, reply: int) -> int:
    if reply < 0:
        raise _lost(job_id)
    return reply


def _lost(job_id: str) -> LeaseLost:
    return LeaseLost(f"the lease of {job_id} ran out or went to somebody else")


def _stats(reply: list[int]) -> Stats:
    ready, delayed, in_progress, done, skipped, error, refused = map(int, reply)
    return Stats(ready + delayed, delayed, in_progress, done, skipped, error, refused)
