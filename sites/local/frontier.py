"""The frontier of a job in a SQLite file, for the one process that crawls without Redis.

What comes of a page is written to the results first, and safe on disk, before its ack and its links are
written to the frontier, in one step. Both bear to be done twice, so a process that is killed in between
repeats the page and nothing else. The frontier need not be as safe: what a power cut takes from its end
is fetched again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from orchestrator.core.backoff import Backoff
from orchestrator.core.errors import Busy, DiskFull, LeaseLost
from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.queue.model import Lease, NewJob
    from orchestrator.queue.sqlite.store import SqliteStore
    from sites.definition.limits import Limits
    from sites.local.record import LocalRecord
    from sites.local.results import LocalResults
    from sites.results.outcome import Outcome

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Those who lease here; whatever is leased when a process begins was leased by one that is dead.
WORKER = "local"
#: A page that nobody renews for so long goes back, in seconds: its task broke, or we were suspended.
PAGE_TTL_S = 30.0
#: Pages that end within so long are written together, in seconds.
GROUP_S = 0.01
#: Leases of a dead process that are ended in one step.
_STEP = 1000

_BACKOFF = Backoff(base=0.1, cap=1.0)


@dataclass(slots=True)
class _Ending:
    lease: Lease
    outcome: Outcome
    pages: Sequence[NewJob]
    done: asyncio.Future[None]


class SqliteFrontier:
    """`Frontier` in a file; everything is done in the event loop but waiting for the disk."""

    #: See `Frontier`: a file forgets nothing while we live.
    epoch = 0

    def __init__(
        self, store: SqliteStore, results: LocalResults, record: LocalRecord, limits: Limits
    ) -> None:
        self._store = store
        self._results = results
        self._record = record
        self._limits = limits
        self._waiting: list[_Ending] = []
        self._writer: asyncio.Task[None] | None = None
        self._known = 0
        self.trouble = ""  #: what keeps us from writing, for now
        self.broken: Exception | None = None  #: what keeps us from writing for good

    def open(self, pages: Sequence[NewJob]) -> None:
        """Take back what a dead process had, its attempts counted, and make sure of the start pages."""
        while held := self._store.jobs(state=QueueState.IN_PROGRESS, limit=_STEP):
            self._store.expire(WORKER, [page.id for page in held])
            self._store.lease(0, PAGE_TTL_S, max_attempts=self._limits.attempts)
        self._known = self._store.stats().total
        self._known += self._store.enqueue(self._within(pages))

    async def lease(self, n: int) -> list[Lease]:
        """See `Frontier`."""
        most = self._limits.attempts
        return await self._patiently(
            lambda: self._store.lease(n, PAGE_TTL_S, worker=WORKER, max_attempts=most)
        )

    async def live(self) -> int:
        """See `Frontier`."""
        return (await self._patiently(self._store.stats)).live

    async def extend(self, held: Mapping[str, str]) -> list[str]:
        """See `Frontier`."""
        urls = {token: url for url, token in held.items()}
        with contextlib.suppress(DiskFull, Busy):
            return [urls[token] for token in self._store.heartbeat(urls, PAGE_TTL_S)]
        return []

    async def release(self, held: Mapping[str, str]) -> None:
        """See `Frontier`."""
        with contextlib.suppress(DiskFull, Busy):
            self._store.release(held.values())

    async def retry(self, lease: Lease, error: str, delay: float) -> None:
        """See `Frontier`."""
        await self._patiently(lambda: self._store.retry(lease.token, error, delay))

    async def commit(self, lease: Lease, outcome: Outcome, pages: Sequence[NewJob]) -> None:
        """See `Frontier`; pages that end at about the same time are written together."""
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Ending(lease, outcome, pages, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def close(self) -> None:
        """Give up what cannot be written: it is fetched again."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        while self._waiting:
            await asyncio.sleep(GROUP_S)
            some, self._waiting = [one for one in self._waiting if not one.done.done()], []
            try:
                await self._together(some)
            except Exception as error:  # the outer edge of writing: the job breaks off
                log.exception("what came of pages could not be written")
                self.broken = error
                for one in some:
                    if not one.done.done():
                        one.done.set_exception(error)

    async def _together(self, some: Sequence[_Ending]) -> None:
        await self._patiently(lambda: self._results.put(one.outcome for one in some))
        await self._results.sync()
        await self._patiently(lambda: self._end(some))

    def _end(self, some: Sequence[_Ending]) -> None:
        lost: list[tuple[_Ending, LeaseLost]] = []
        new = 0
        with self._store.together():
            for one in some:
                pages, outcome = self._within(one.pages, new), one.outcome
                try:
                    new += self._store.commit(
                        one.lease.token,
                        QueueState(outcome.state),
                        reason=outcome.reason,
                        new_jobs=pages,
                    )
                except LeaseLost as error:
                    lost.append((one, error))
        self._known += new
        for one, why in lost:
            if not one.done.done():
                one.done.set_exception(why)
        for one in some:
            if not one.done.done():
                one.done.set_result(None)

    def _within(self, pages: Sequence[NewJob], more: int = 0) -> Sequence[NewJob]:
        """Return those that there is room for; the others are refused, as the record says then."""
        room = self._limits.pages - self._known - more
        if len(pages) <= room:
            return pages
        new = {page.id: page for page in pages if self._store.job(page.id) is None}
        if len(new) > room:
            self._record.note(refused="1")
        return list(new.values())[: max(0, room)]

    async def _patiently(self, action: Callable[[], T]) -> T:
        """Do it, again and again while the disk is full or somebody holds the file."""
        attempt = 0
        while True:
            try:
                done = action()
            except (DiskFull, Busy) as error:
                if not attempt:
                    log.warning("waiting for the disk: %s", error)
                self.trouble = str(error)
                attempt += 1
            else:
                self.trouble = ""
                return done
            await asyncio.sleep(_BACKOFF.delay(attempt))
