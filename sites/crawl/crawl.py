"""A shard at work: one event loop, many pages in flight, for a bounded slice of time.

Pages are leased from the frontier and their leases renewed from the loop. A frontier that is away pauses
the crawl; the end of the slice, a stop, or somebody who waits for the slot ends it: no new request is
made, what is out may end, and what is not finished goes back unharmed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.errors import LeaseLost
from sites.crawl.beat import BEAT_EVERY_S, WANTED_BY_SITES, Beat, Word
from sites.crawl.ends import GENTLE, GRACE_S, LONGEST_S, End
from sites.crawl.work import Work
from sites.extract.document import Unreadable
from sites.extract.extract import Extracted
from sites.fetch.answer import Answer, Failed, Moved, Page, Unchanged
from sites.fetch.kind import Kind
from sites.job.state import WORKED

if TYPE_CHECKING:
    from collections.abc import Callable

    from sites.crawl.ask import Asker
    from sites.crawl.settle import Settler
    from sites.extract.extract import Extractor

log = logging.getLogger(__name__)

EXTEND_EVERY_S = 2.0
#: A few free places are filled together, unless they have been free for so long, in seconds.
FILL_EVERY_S = 0.1
#: How often a shard looks whether its slice is over or its worker stops, in seconds.
LOOK_EVERY_S = 0.25
#: How long a shard without anything to do waits for something to come, in seconds.
IDLE_S = 6.0
#: So long a shard works before it makes room for another job, and for a refresh, in seconds.
QUANTUM_S = 2.0
LEAST_S = 1.0
#: How long an answer that came at the last moment has to be read and written, in seconds.
SETTLE_S = 2.0
#: The pace is that of the last so many seconds.
PACE_OVER_S = 5.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a slice: its length, and when the worker stops.

    `call_help` is called once, in a thread, when there is more to do than one shard may.
    """

    slice_s: float
    worker_stops: Callable[[], bool]
    call_help: Callable[[], None] | None = None


class Crawl:
    """One slice of a job."""

    def __init__(self, asker: Asker, settler: Settler, extractor: Extractor, terms: Terms) -> None:
        self._asker = asker
        self._settler = settler
        self._extractor = extractor
        self._terms = terms
        self._definition = settler.definition
        self._frontier = settler.frontier
        self._running: dict[asyncio.Task[None], Work] = {}
        self._held: dict[str, str] = {}
        self._share = self._definition.concurrency
        self._trouble = ""
        self._finished_at: deque[float] = deque()
        self._wake = asyncio.Event()
        self._end: End | None = None
        self._overdue: list[Work] = []
        self._helpers: list[asyncio.Task[None]] = []
        self._began = self._busy_at = self._over_at = self._now()
        self._filled_at = float("-inf")

    async def run(self) -> End:
        """Work until the slice ends; return why it did."""
        keepers = [
            asyncio.create_task(keep()) for keep in (self._beats, self._extends, self._looks)
        ]
        try:
            while self._end is None:
                await self._fill()
                await self._pause()
            await self._wind_up()
        finally:
            for task in (*keepers, *self._running):
                task.cancel()
            await asyncio.gather(*keepers, *self._running, *self._helpers, return_exceptions=True)
            await self._give_back()
        return self._end

    # leasing

    async def _fill(self) -> None:
        """Lease what there is room for; without anything to do, find out whether that is the end."""
        free = self._share - len(self._running)
        soon = self._now() - self._filled_at < FILL_EVERY_S
        if free < (max(1, self._share // 4) if soon else 1):
            return
        self._filled_at = self._now()
        leases = await self._frontier.lease(free)
        for lease in leases:
            self._start(Work.of(lease, self._now()))
        if len(leases) == free and len(self._running) >= self._share:
            self._call_help()
        if self._running:
            self._busy_at = self._now()
        else:
            await self._look_at_the_rest()

    def _call_help(self) -> None:
        """A frontier that filled a whole shard may have work for others, who come by a tick otherwise."""
        if self._terms.call_help is not None and not self._helpers:
            self._helpers.append(asyncio.create_task(asyncio.to_thread(self._terms.call_help)))

    def _start(self, work: Work) -> None:
        self._held[work.lease.id] = work.lease.token
        task = asyncio.create_task(self._page(work))
        self._running[task] = work
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        work = self._running.pop(task, None)
        self._wake.set()
        if work and task.cancelled():
            self._cut_off(work)
        elif work and task.exception():
            log.error("%s ended badly", work.url, exc_info=task.exception())
            self._held.pop(work.lease.id, None)  # its lease runs out: that counts as an attempt

    async def _look_at_the_rest(self) -> None:
        if not await self._frontier.live():
            self._finish(End.FINISHED)
        elif self._now() - self._busy_at > IDLE_S:
            self._finish(End.IDLE)

    async def _pause(self) -> None:
        """Wait until a page has ended, or for a moment."""
        if self._end is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            self._wake.clear()

    async def _page(self, work: Work) -> None:
        """One page, from its lease to its end."""
        answer, proxy = await self._asker.ask(work)
        found = Extracted()
        if isinstance(answer, Page):
            answer, found = self._extract(work, answer)
        elif isinstance(answer, Unchanged) and work.known:
            found = work.known.found
            self._extractor.count(found, work.url)
        elif isinstance(answer, Moved):
            self._extractor.moved(work.url, answer.target)
        try:
            await self._settler.settle(work, answer, found, proxy)
            self._finished_at.append(self._now())
        except LeaseLost:
            log.info("%s went to somebody else", work.url)
        self._held.pop(work.lease.id, None)

    def _extract(self, work: Work, page: Page) -> tuple[Answer, Extracted]:
        try:
            return page, self._extractor.extract(page, work.url)
        except Unreadable as error:
            if error.__cause__:  # a class of the user's raised it: its log shows the way there
                log.exception("%s could not be read", work.url)
            return Failed(Kind.PARSE, str(error), status=page.status), Extracted()
        except Exception as error:  # the outer edge of a page: it never ends the job
            log.exception("%s could not be read", work.url)
            return Failed(Kind.PARSE, type(error).__name__, status=page.status), Extracted()

    # ending

    def _finish(self, end: End) -> None:
        """End the slice; a reason that cannot wait takes the place of one that can."""
        if self._end is None or (self._end in GENTLE and end not in GENTLE):
            self._end, self._over_at = end, self._now()
            self._wake.set()

    async def _wind_up(self) -> None:
        """Make no new request; let those that are out end, for as long as the end allows."""
        for work in self._running.values():
            work.closing = True
            work.out_at_the_end = not work.waiting
        while self._running and (left := self._grace()) > 0:
            for task, work in self._running.items():
                if work.waiting and not task.cancelling():
                    task.cancel()
            await asyncio.wait(list(self._running), timeout=min(left, LOOK_EVERY_S))

    def _grace(self) -> float:
        timeout = self._definition.limits.timeout
        longest = min(timeout + SETTLE_S, LONGEST_S - self._terms.slice_s)
        grace = longest if self._end in GENTLE else GRACE_S.get(self._end or End.LOST, 0.0)
        return grace - (self._now() - self._over_at)

    def _cut_off(self, work: Work) -> None:
        """A page that was asked for, and had its time, has used up an attempt; or it never ends."""
        had = self._now() - work.since
        if self._end in GENTLE and work.out_at_the_end and had >= self._definition.limits.timeout:
            self._held.pop(work.lease.id, None)
            self._overdue.append(work)

    async def _give_back(self) -> None:
        """Release what is not finished; without a frontier its leases run out by themselves."""
        late = Failed(Kind.TIMEOUT, "no whole answer before the slice ended")
        await self._frontier.release(self._held)
        with contextlib.suppress(TimeoutError):
            for work in self._overdue:
                async with asyncio.timeout(SETTLE_S):
                    with contextlib.suppress(LeaseLost):
                        await self._settler.settle(work, late, Extracted(), None)
        self._held.clear()

    # keeping

    async def _beats(self) -> None:
        """Renew the shard's lease again and again, and learn what has changed."""
        while True:
            beat = await self._settler.desk.beat(Word(self._pace(), self._reason()))
            if beat is not None:
                self._learn(beat)
            await asyncio.sleep(BEAT_EVERY_S)

    def _learn(self, beat: Beat) -> None:
        self._share = max(1, math.ceil(self._definition.concurrency / max(1, beat.live)))
        self._trouble = beat.trouble
        if beat.state not in WORKED:
            self._finish(End.STOP)
        elif not beat.held:
            self._finish(End.LOST)
        elif beat.wanted_by:
            least = QUANTUM_S if beat.wanted_by == WANTED_BY_SITES else LEAST_S
            if self._now() - self._began >= least:
                self._finish(End.YIELD)

    async def _extends(self) -> None:
        """Renew the leases of pages: only a dead shard loses them."""
        while True:
            await asyncio.sleep(EXTEND_EVERY_S)
            for url in await self._frontier.extend(dict(self._held)):
                self._held.pop(url, None)

    async def _looks(self) -> None:
        """See when the slice is over, or the worker stops."""
        while True:
            if self._terms.worker_stops():
                self._finish(End.WORKER)
            elif self._now() - self._began >= self._terms.slice_s:
                self._finish(End.SLICE)
            await asyncio.sleep(LOOK_EVERY_S)

    def _pace(self) -> float:
        now = self._now()
        while self._finished_at and self._finished_at[0] < now - PACE_OVER_S:
            self._finished_at.popleft()
        return len(self._finished_at) / max(0.5, min(PACE_OVER_S, now - self._began))

    def _reason(self) -> str:
        """Say why the job does not get on; nothing while it does."""
        if self._trouble:
            return self._trouble
        works = self._running.values()
        if not works and self._now() - self._busy_at > BEAT_EVERY_S:
            return "every page that is left waits for its next attempt"
        if not all(work.waiting for work in works):
            return ""
        waits = Counter(work.waits_for for work in works if work.waits_for)
        return waits.most_common(1)[0][0] if waits else ""

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
