"""People's own jobs on Redis: a `Store`, by the same scripts as the frontiers of site jobs.

A verb whose reply was lost may have been carried out: what it leased comes back when the lease runs
out, and a second ack of the same token is answered by `LeaseLost`.
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from orchestrator.core.errors import ConfigError, Unavailable
from orchestrator.core.keys import Keys
from orchestrator.core.mask import mask_url
from orchestrator.core.redis import Redis, RedisError, connect, translated
from orchestrator.queue.job_verbs import JobVerbs, by_key, limits_of
from orchestrator.queue.key_types import exists
from orchestrator.queue.model import OnConflict
from orchestrator.queue.redis_upkeep import RedisUpkeep, some_of
from orchestrator.queue.token import parse
from orchestrator.queue.verbs import MOST_A_CALL
from orchestrator.queue.wakes import Wakes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from orchestrator.core.keys import JobQueueKeys
    from orchestrator.queue.model import Lease, Limits, NewJob, QueueState, Stats

__all__ = ["RedisStore", "open_store"]

#: The name of the queue of a URL without `#name`.
DEFAULT = "jobs"
#: Characters of payloads in one call.
_MOST_TEXT = 8_000_000
#: Calls that one lease makes at most, while more than one call may look at is blocked or due.
_MOST_CALLS = 2000


class RedisStore(RedisUpkeep):
    """A durable queue in Redis. Threads may share it; after a fork each side has its own connections."""

    def __init__(self, client: Redis, keys: JobQueueKeys, url: str = "") -> None:
        super().__init__(client, keys, JobVerbs(keys))
        self.shared = url
        self._wakes = Wakes(client, keys.wake, self._work_waits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """See `Store`."""
        self._wakes.close()
        self._client.close()

    def together(self) -> AbstractContextManager[None]:
        """See `Store`; nothing is saved here by doing several in one."""
        return nullcontext()

    @translated()
    def exists(self) -> bool:
        """Whether anything was ever done with this queue.

        Raises:
            IncompatibleData: somebody else uses its names.
        """
        return exists(self._client, self._keys)

    @translated()
    def enqueue(self, jobs: Sequence[NewJob], on_conflict: OnConflict = OnConflict.IGNORE) -> int:
        """See `Store`; a step has 1,000 jobs, or 8 MB."""
        calls = (self._verbs.add(piece, on_conflict) for piece in pieces(jobs))
        return sum(call.run(self._client) for call in calls)

    @translated()
    def lease(self, n: int, ttl: float, *, worker: str = "", max_attempts: int = 3) -> list[Lease]:
        """See `Store`.

        What one script may look at is bounded; it is run again while there is more behind that. If that
        fails, what was taken before is returned.
        """
        leases: list[Lease] = []
        for _ in range(_MOST_CALLS):
            call = self._verbs.take(n - len(leases), ttl, worker, max_attempts)
            try:
                taken = call.run(self._client)
            except RedisError:
                if not leases:
                    raise
                break
            leases += taken.leases
            if len(leases) >= n or not (taken.again or len(taken.leases) == MOST_A_CALL):
                break
        return leases

    @translated()
    def heartbeat(self, tokens: Iterable[str], ttl: float) -> list[str]:
        """See `Store`."""
        calls = (self._verbs.renew(some, ttl) for some in some_of(tokens))
        return [token for call in calls for token in call.run(self._client)]

    @translated()
    def release(self, tokens: Iterable[str], delay: float = 0.0) -> list[str]:
        """See `Store`."""
        calls = (self._verbs.give_back(some, delay) for some in some_of(tokens))
        return [token for call in calls for token in call.run(self._client)]

    def ack(
        self, token: str, state: QueueState, *, reason: str = "", result: str | None = None
    ) -> None:
        """See `Store`."""
        self.commit(token, state, reason=reason, result=result)

    @translated()
    def retry(self, token: str, error: str, delay: float) -> None:
        """See `Store`."""
        held = parse(token)
        self._verbs.retry(held.job, str(held.fence), error, delay).run(self._client)

    @translated()
    def commit(
        self,
        token: str,
        state: QueueState,
        *,
        reason: str = "",
        result: str | None = None,
        new_jobs: Sequence[NewJob] = (),
    ) -> int:
        """See `Store`; a step has 1,000 new jobs, or 8 MB."""
        *ahead, last = [*pieces(new_jobs)] or [[]]
        ending = self._verbs.end(token, state, reason, result, last)
        return sum(map(self.enqueue, ahead)) + ending.run(self._client)

    @translated()
    def limits(self) -> Limits:
        """See `Store`."""
        facts: dict[str, str] = self._client.hgetall(self._keys.limits)  # type: ignore[assignment]
        return limits_of(facts)

    @translated()
    def set_limits(self, limits: Limits) -> None:
        """See `Store`."""
        self._verbs.limit(limits).run(self._client)

    @translated()
    def stats(self) -> Stats:
        """See `Store`; each key that has jobs costs a little."""
        stats = self._verbs.gauge().run(self._client)
        tally = self._client.hscan_iter(self._keys.tally, count=MOST_A_CALL)
        return replace(stats, by_key=by_key(tally))

    @translated()
    def wakes(self, timeout: float) -> bool:
        """See `Store`."""
        return self._wakes.wait(timeout)

    @translated()
    def next_at(self) -> float | None:
        """See `Store`."""
        return self._verbs.next().run(self._client)

    def _work_waits(self) -> bool:
        """Whether the next lease may find something: ready, due, or of a lease that has run out."""
        with self._client.pipeline(transaction=False) as pipe:
            pipe.zcard(self._keys.ready)
            for points in (self._keys.delayed, self._keys.leased):
                pipe.zrange(points, 0, 0, withscores=True)
            pipe.time()
            ready, *firsts, (seconds, micros) = pipe.execute()
        now_ms = seconds * 1000 + micros // 1000
        return bool(ready) or any(at <= now_ms for first in firsts for _, at in first)


def open_store(url: str, *, create: bool) -> RedisStore:
    """Open the queue called `#name` (default: jobs) in the Redis at `url`.

    Raises:
        ConfigError: `url` is none, or lacks the password.
        RedisUnavailable: Redis does not answer.
        IncompatibleData: somebody else uses the queue's names.
        Unavailable: there is no such queue, and `create` forbids to make one.
    """
    place, _, name = url.partition("#")  # `urldefrag` makes unix:/tmp of unix:///tmp
    try:
        client = connect(place, resend=False)
    except ValueError as error:
        raise ConfigError((f"{mask_url(place)} is no URL of a Redis: {error}",)) from error
    store = RedisStore(client, Keys().queue(name or DEFAULT), place)
    with ExitStack() as opened:
        opened.callback(store.close)
        if not store.exists() and not create:
            raise Unavailable(
                f"no queue {name or DEFAULT} in {mask_url(place)}",
                hint="`orch queue enqueue ID` or `orch queue import FILE` makes it",
            )
        opened.pop_all()
    return store


def pieces(jobs: Iterable[NewJob]) -> Iterator[list[NewJob]]:
    """Cut into what one step takes: 1,000 jobs or 8 MB of payload, one at least.

    >>> from orchestrator.queue.model import NewJob
    >>> large = NewJob("large", "x" * 6_000_000)
    >>> [[job.id for job in piece] for piece in pieces([NewJob("a"), large, large, NewJob("b")])]
    [['a', 'large'], ['large', 'b']]
    """
    piece: list[NewJob] = []
    size = 0
    for job in jobs:
        size += len(job.payload)
        if piece and (len(piece) == MOST_A_CALL or size > _MOST_TEXT):
            yield piece
            piece, size = [], len(job.payload)
        piece.append(job)
    if piece:
        yield piece
