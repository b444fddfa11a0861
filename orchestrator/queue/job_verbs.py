"""The verbs of a queue of people's own jobs: those of a frontier, with keys, hosts and a history."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from orchestrator.core.errors import LeaseLost
from orchestrator.queue.model import (
    HISTORY,
    NEVER_SET,
    Attempt,
    Job,
    Lease,
    Limits,
    QueueState,
    Stats,
)
from orchestrator.queue.token import Token, parse
from orchestrator.queue.verbs import MOST_A_CALL, SWEEP, Verbs, Word, committed, ending, ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.core.script import Call
    from orchestrator.queue.model import NewJob, OnConflict

#: Ended jobs that one call forgets.
MOST_PRUNED = 200
#: Words of a leased job, and of one that is looked at, in the replies.
_LEASED, _LOOKED = 6, 11
_STATES = {str(state)[0]: state for state in QueueState}


class Taken(NamedTuple):
    """What one call leased; `again` tells that it did not look at all there is."""

    leases: list[Lease]
    again: bool


class JobVerbs(Verbs):
    """The verbs of one queue as calls that are still to be run."""

    __slots__ = ()

    kind: ClassVar[str] = "jobs"

    def counted(self, jobs: Sequence[NewJob]) -> list[Word]:
        """How many jobs these are, and the words of each."""
        words: list[Word] = [len(jobs)]
        for job in jobs:
            if "\n" in job.key or "\n" in job.host:
                raise ValueError(f"the key or the host of {job.id} has a line break")
            priority = int(job.priority)  # redis-py would send the name of an enum's member
            keep = f",{','.join(job.keep)}," if job.keep else ""
            words += (job.id, job.payload, priority, ms(job.delay), job.key, job.host, keep)
        return words

    def add(self, jobs: Sequence[NewJob], on_conflict: OnConflict) -> Call[int]:
        """Add at most `MOST_A_CALL` jobs; the reply is how many were new, or queued anew."""
        return self.call("enqueue", [on_conflict, -1, *self.counted(jobs)], int)

    def take(self, n: int, ttl: float, worker: str, max_attempts: int) -> Call[Taken]:
        """Take up to `n` jobs for `ttl` seconds."""
        words: list[Word] = [min(n, MOST_A_CALL), ms(ttl), max_attempts, 0, SWEEP, worker]
        return self.call("lease", words, _taken)

    def renew(self, tokens: Sequence[str], ttl: float) -> Call[list[str]]:
        """Let these leases end `ttl` seconds from now; the reply are the tokens not current."""
        return self.call("extend", [ms(ttl), *_held(tokens)], partial(_lost_of, tokens))

    def give_back(self, tokens: Sequence[str], delay: float) -> Call[list[str]]:
        """Give these back unstarted; the reply are the tokens not current."""
        return self.call("release", [ms(delay), *_held(tokens)], partial(_lost_of, tokens))

    def end(
        self,
        token: str,
        state: QueueState,
        reason: str,
        result: str | None,
        new_jobs: Sequence[NewJob],
    ) -> Call[int]:
        """End the job, keep its result and add at most `MOST_A_CALL` new jobs: all or nothing."""
        held = parse(token)
        words = [*ending(held.job, str(held.fence), state, reason), -1, *self.counted(new_jobs)]
        words += [] if result is None else [result]
        return self.call("commit", words, partial(committed, held.job))

    def cancel(self, ids: Sequence[str], reason: str) -> Call[int]:
        """End as skipped what has not ended; the reply is how many."""
        return self.call("cancel", [reason, *ids], int)

    def requeue(self, ids: Sequence[str]) -> Call[list[str]]:
        """Queue anew what ended as error; the reply names it."""
        return self.call("requeue", list(ids), list)

    def expire(self, worker: str, ids: Sequence[str]) -> Call[list[str]]:
        """Let the leases of this worker run out; the reply names the jobs."""
        return self.call("expire", [worker, *ids], list)

    def forget(self, ids: Sequence[str]) -> Call[list[str]]:
        """Forget what has ended; the reply names it."""
        return self.call("forget", list(ids), list)

    def prune(self, age: float, states: Iterable[QueueState]) -> Call[int]:
        """Forget jobs that ended `age` seconds ago; the reply is how many, `MOST_PRUNED` at most."""
        return self.call("prune", [ms(age), MOST_PRUNED, *states], int)

    def look(self, ids: Sequence[str]) -> Call[tuple[list[Job], int]]:
        """Tell all about these jobs, as far as they are known; and how many of the ids were looked at."""
        return self.call("look", list(ids), _looked)

    def gauge(self) -> Call[Stats]:
        """Count the jobs by state; not by key."""
        return self.call("stats", (), _stats)

    def next(self) -> Call[float | None]:
        """In how many seconds the next delay or lease is over."""
        return self.call("next", (), lambda reply: None if reply < 0 else int(reply) / 1000)

    def limit(self, limits: Limits) -> Call[int]:
        """Have these limits hold."""
        words: list[Word] = []
        for name, limit in limits.named().items():
            words += [f"n{name}", ""] if limit is None else [name, limit]
        for name in limits.defaults:
            words += [f"d{name}", ""]
        return self.call("limit", words, int)


def limits_of(facts: Mapping[str, str]) -> Limits:
    """Read the hash of the limits; it is empty as long as nobody has set any.

    >>> limits_of({"kü": "2", "nK": "", "H": "4", "dH": "", "changed": "1700000000000"})
    Limits(per_key={'ü': 2}, every_key=None, per_host=4, defaults=frozenset({'H'}))
    """
    if not facts:
        return NEVER_SET
    named: dict[str, int | None] = {name[1:]: None for name in facts if name[0] == "n"}
    named |= {name: int(limit) for name, limit in facts.items() if name[0] in "kKH"}
    return Limits.of(named, (name[1:] for name in facts if name[0] == "d"))


def by_key(facts: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    """Read the tally: key -> state -> number; what is counted by host is left out.

    >>> by_key([("qa", "2"), ("ia", "1"), ("q", "7"), ("hx.example", "1")])
    {'a': {'queued': 2, 'in_progress': 1}}
    """
    found: dict[str, dict[str, int]] = {}
    for name, number in facts:
        state, key = _STATES.get(name[0]), name[1:]
        if state and key:
            found.setdefault(key, {})[str(state)] = int(number)
    return found


def _taken(reply: list[Any]) -> Taken:
    rows = zip(*(reply[offset::_LEASED] for offset in range(1, _LEASED + 1)), strict=True)
    leases = [
        Lease(job_id, str(Token(int(tried), int(fence), job_id)), payload, int(tried), key, host)
        for job_id, fence, payload, tried, key, host in rows
    ]
    return Taken(leases, bool(reply[0]))


def _held(tokens: Sequence[str]) -> list[Word]:
    """A token that is none is of no job: it is lost like one that was."""
    return [word for token in tokens for word in _pair(token)]


def _pair(token: str) -> tuple[str, str]:
    try:
        held = parse(token)
    except LeaseLost:
        return "", ""
    return held.job, str(held.fence)


def _lost_of(tokens: Sequence[str], reply: list[int]) -> list[str]:
    return [tokens[number - 1] for number in reply]


def _stats(reply: list[Any]) -> Stats:
    ready, delayed, in_progress, done, skipped, error, refused, expired = map(int, reply[:8])
    oldest = int(reply[8]) / 1000 if len(reply) > 8 else None  # noqa: PLR2004
    return Stats(
        *(ready + delayed, delayed, in_progress, done, skipped, error, refused),
        oldest_queued_s=oldest,
        expired_leases=expired,
    )


def _looked(reply: list[str]) -> tuple[list[Job], int]:
    jobs = [_job(*reply[at : at + _LOOKED]) for at in range(1, len(reply), _LOOKED)]
    return jobs, int(reply[0])


def _job(job_id: str, letter: str, about: str, payload: str, tried: str, *rest: str) -> Job:
    reason, at, ended_at, result, run, history = rest
    priority, key, host, enqueued = about.split("\n")
    state = _STATES[letter]
    return Job(
        *(job_id, state, payload, key, host, int(priority), int(tried)),
        enqueued_at=int(enqueued) / 1000,
        not_before=_moment(at) if state is QueueState.QUEUED else None,
        lease_until=_moment(at) if state is QueueState.IN_PROGRESS else None,
        ended_at=_moment(ended_at),
        reason=reason,
        result=result or None,
        history=_attempts(run, history),
    )


def _attempts(run: str, history: str) -> tuple[Attempt, ...]:
    """Those that failed, and the last one if it did not."""
    tries = [Attempt(at / 1000, worker, error) for at, worker, error in json.loads(history or "[]")]
    if run:
        _, at, worker = run.split(" ", 2)
        tries.append(Attempt(int(at) / 1000, worker, ""))
    return tuple(tries[-HISTORY:])


def _moment(milliseconds: str) -> float | None:
    return float(milliseconds) / 1000 if milliseconds else None
