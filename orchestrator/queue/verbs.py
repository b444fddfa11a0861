"""Each verb of the queue as one run of one script: all that the Redis clients share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from orchestrator.core.errors import LeaseLost
from orchestrator.core.script import Call, load
from orchestrator.queue.model import ENDED, Lease, Stats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orchestrator.core.keys import QueueKeys
    from orchestrator.core.script import Script
    from orchestrator.queue.model import NewJob, QueueState, Result

#: New jobs, leases or tokens in one script call: it stays short for everybody else.
MOST_A_CALL = 1000
#: Delayed jobs that become ready, and leases that are reaped, in one `lease`.
SWEEP = 200
#: A lease that ran out so often ends its job as error.
MAX_ATTEMPTS = 3

Word = str | int

#: What is put between `queue.lua` and a verb; a function that a verb does not need costs it time.
_MOST_NEED = ("held", "{kind}/keys", "{kind}/ledger", "{kind}/lanes")
_NEEDS = {
    "enqueue": ("{kind}/keys", "{kind}/ledger", "{kind}/lanes", "{kind}/new", "add_all"),
    "lease": (*_MOST_NEED, "{kind}/turns"),
    "commit": (*_MOST_NEED, "{kind}/new", "add_all"),
    "extend": ("held",),
    "stats": ("{kind}/keys",),
    "retire": (),
    "prune": ("{kind}/keys", "{kind}/ledger", "{kind}/forgetting"),
    "forget": ("{kind}/keys", "{kind}/ledger", "{kind}/forgetting"),
    "expire": ("{kind}/keys", "{kind}/ledger"),
    "limit": ("{kind}/keys", "{kind}/ledger"),
    "look": ("{kind}/keys",),
    "next": (),
}


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

    #: Whose scripts are put before a verb.
    kind: ClassVar[str] = "frontier"

    def __init__(self, keys: QueueKeys) -> None:
        self._keys = keys.all()

    def enqueue(self, jobs: Sequence[NewJob], most: int | None = None) -> Call[int]:
        """Add at most `MOST_A_CALL` jobs; the reply is how many were new."""
        return self.call("enqueue", ["ignore", _bound(most), *self.counted(jobs)], int)

    def lease(
        self, n: int, ttl: float, *, backlog: tuple[str, int] | None, max_attempts: int
    ) -> Call[list[Lease]]:
        """Take up to `n` jobs for `ttl` seconds."""
        key, limit = backlog or (None, 0)
        words: list[Word] = [min(n, MOST_A_CALL), ms(ttl), max_attempts, limit, SWEEP, ""]
        return self.call("lease", words, _leases, [key] if key else ())

    def extend(self, tokens: Mapping[str, str], ttl: float) -> Call[list[str]]:
        """Let these leases end `ttl` seconds from now; the reply names those that are lost."""
        words: list[Word] = [ms(ttl), *_pairs(tokens.items())]
        return self.call("extend", words, partial(_lost_of, list(tokens)))

    def release(self, tokens: Mapping[str, str]) -> Call[list[str]]:
        """Give these back unstarted; the reply names those that were lost before."""
        words: list[Word] = [0, *_pairs(tokens.items())]
        return self.call("release", words, partial(_lost_of, list(tokens)))

    def retry(self, job_id: str, token: str, error: str, delay: float) -> Call[None]:
        """Let the job wait `delay` seconds for its next attempt."""
        return self.call("retry", [job_id, token, ms(delay), error], partial(_retried, job_id))

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
        words = [*ending(job_id, token, state, reason), _bound(most), *self.counted(new_jobs)]
        keys: Sequence[str] = ()
        if result:
            keys = (result.stream, result.bytes_key)
            words += [result.body, *_pairs(result.fields.items())]
        return self.call("commit", words, partial(committed, job_id), keys)

    def stats(self) -> Call[Stats]:
        """Count the jobs by state."""
        return self.call("stats", (), _stats)

    def retire(self, ttl: float) -> Call[int]:
        """Let every key of the queue expire."""
        return self.call("retire", [ms(ttl)], int)

    def call(
        self, verb: str, words: Sequence[Word], parse: Any, further: Sequence[str] = ()
    ) -> Call[Any]:
        """One run of the script of a verb, whose own keys are `further`."""
        return Call(self.script(verb), [*self._keys, *further], words, parse)

    def script(self, verb: str) -> Script:
        """The script of a verb."""
        needs = (part.format(kind=self.kind) for part in _NEEDS.get(verb, _MOST_NEED))
        return load("orchestrator.queue", "queue", *needs, verb)

    def counted(self, jobs: Sequence[NewJob]) -> list[Word]:
        """How many jobs these are, and the words of each."""
        words: list[Word] = [len(jobs)]
        for job in jobs:
            words += (job.id, job.payload, int(job.priority), ms(job.delay))
        return words


def ms(seconds: float) -> int:
    """Milliseconds, whole."""
    return round(seconds * 1000)


def ending(job_id: str, token: str, state: QueueState, reason: str | None) -> list[Word]:
    """The words by which a job ends.

    Raises:
        ValueError: a job does not end like this.
    """
    if state not in ENDED:
        raise ValueError(f"a job cannot end as {state}")
    return [job_id, token, state, reason or ""]


def committed(job_id: str, reply: int) -> int:
    """How many new jobs a commit brought.

    Raises:
        LeaseLost: the token was not current.
    """
    if reply < 0:
        raise lost(job_id)
    return reply


def lost(job_id: str) -> LeaseLost:
    """The error of a token that is not current."""
    return LeaseLost(f"the lease of {job_id} ran out or went to somebody else")


def _bound(most: int | None) -> int:
    return -1 if most is None else most


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[Word]:
    return [word for pair in pairs for word in pair]


def _leases(reply: list[Any]) -> list[Lease]:
    quads = zip(*(reply[offset::4] for offset in range(1, 5)), strict=True)
    return [Lease(job_id, token, payload, int(tried)) for job_id, token, payload, tried in quads]


def _lost_of(ids: Sequence[str], reply: list[int]) -> list[str]:
    return [ids[number - 1] for number in reply]


def _retried(job_id: str, reply: int) -> None:
    if not reply:
        raise lost(job_id)


def _stats(reply: list[int]) -> Stats:
    ready, delayed, in_progress, done, skipped, error, refused = map(int, reply)
    return Stats(ready + delayed, delayed, in_progress, done, skipped, error, refused)
