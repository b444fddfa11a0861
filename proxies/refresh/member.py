"""The work of one member of the chord: its chunk from Redis, the sweep, its report to Redis.

The sweep has a thread and an event loop of its own, and this one only waits: whatever hangs there, the
chunk reports what it has found before its task's limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import uuid
from typing import TYPE_CHECKING, TypeVar

from orchestrator.celery_app import progress
from orchestrator.celery_app.app import SOFT_LIMIT_S
from orchestrator.core.clock import SYSTEM, Deadline
from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.redis import RedisError
from proxies import loop
from proxies.check.sweep import Sweep
from proxies.errand import Errand
from proxies.model import parse
from proxies.refresh import pace
from proxies.refresh.chunk import Sample
from proxies.refresh.claim import Claim, Word
from proxies.refresh.findings import OUT_OF_TIME, Report
from proxies.refresh.progress import RefreshRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.core.context import Context
    from orchestrator.core.redis import Redis

T = TypeVar("T")

log = logging.getLogger(__name__)

#: A chunk reports by then, in seconds: its task is told to end, and then ended, a while later.
LONGEST_S = SOFT_LIMIT_S - 60.0
#: What it found is offered to a Redis that is away for so long, in seconds.
REPORT_S = 45.0
#: How often Redis is tried again, in seconds.
AGAIN_S = 0.25
#: A sweep that is called off has so long to close its connections, in seconds.
LEAVE_S = 1.0


class Member:
    """One run of chunk `index` of a refresh; `message` names what asked for it.

    With `silent` the chunk is taken from somebody whose sign of life has been that one for too long.
    """

    def __init__(
        self,
        context: Context,
        job_id: str,
        index: int,
        *,
        message: str = "",
        silent: str = "",
        longest: float = LONGEST_S,
    ) -> None:
        self._context = context
        self._job_id, self._index = job_id, index
        self._message, self._silent = message or uuid.uuid4().hex, silent
        self._deadline = Deadline.after(longest)
        self._checking: Checking | None = None
        self._reported = False

    def run(self) -> bool:
        """Check the chunk and report; a failure costs only this chunk. Tell whether it was ours.

        Raises:
            RedisError, RedisUnavailable: Redis was away for too long.
        """
        claim = self._patiently(self._claim, self._deadline)
        word = self._patiently(lambda: claim.take(self._silent), self._deadline)
        if word is Word.NOT_WANTED:
            return False
        self._checking = self._patiently(
            lambda: Checking(self._context, claim, word), self._deadline
        )
        if word is Word.GO_ON:
            self._checking.until(self._deadline)
        self.report()
        return True

    def report(self) -> None:
        """Say what there is by now; called when time is up, too."""
        checking = self._checking
        if checking is None or self._reported or checking.word is Word.NOT_WANTED:
            return
        report = checking.report()
        counted = self._patiently(lambda: checking.claim.report(report), Deadline.after(REPORT_S))
        self._reported = True
        if counted and checking.sample:
            pace.remember(self._context.redis, self._context.keys, checking.sample)

    def _claim(self) -> Claim:
        record = RefreshRecord(self._context.redis, self._context.keys, self._job_id)
        return Claim(record, self._index, self._message)

    @staticmethod
    def _patiently(call: Callable[[], T], deadline: Deadline) -> T:
        """Call it until Redis has answered: one that is restarted loses nothing."""
        while True:
            try:
                return call()
            except (RedisError, RedisUnavailable) as error:
                if deadline.passed:
                    raise
                log.warning("Redis is asked again: %s", error)
            deadline.clock.sleep(deadline.cap(AGAIN_S))


class Checking:
    """A sweep over the candidates of a chunk, while it may last."""

    def __init__(self, context: Context, claim: Claim, word: Word) -> None:
        self._context = context
        self.claim = claim
        self._urls = claim.record.chunk(claim.index)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._over = threading.Event()
        self._usable, self._counted = 0, 0
        self._found: Report | None = None
        self._sweep = Sweep(
            context.settings.proxies,
            server_time(claim.record.redis),
            self._beat,
            context.home.path,
        )
        self.word = word  #: the last answer to a sign of life
        self.sample: Sample | None = None  #: what it took, when all were checked

    def until(self, deadline: Deadline) -> None:
        """Check, until all are checked, the result is no longer wanted, or the deadline."""
        errand = Errand(self._run)
        self._over.wait(deadline.remaining())
        if self._found is None:
            if self._loop and self._task:
                with contextlib.suppress(RuntimeError):  # it has just ended
                    self._loop.call_soon_threadsafe(self._task.cancel)
            # What hangs even so, in a thread that nothing can end, is left behind.
            errand.wait(LEAVE_S)

    def report(self) -> Report:
        """What was found, in whole or up to now."""
        if self._found is not None:
            return self._found
        problem = OUT_OF_TIME if self.word is Word.GO_ON else ""
        return self._part(Report.of(list(self._sweep.verdicts), problem))

    def _run(self) -> None:
        try:
            loop.run(self._check())
        finally:
            self._over.set()

    async def _check(self) -> None:
        redis = self._context.async_redis()
        self._redis = redis
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        started = SYSTEM.monotonic()
        try:
            async with progress.signs():
                found = await self._sweep.run([parse(url) for url in self._urls])
            if self.word is Word.GO_ON:
                self._found = self._part(found) if found.problem == OUT_OF_TIME else found
                seconds = SYSTEM.monotonic() - started
                self.sample = Sample(found.checked, seconds, self._sweep.busy)
        except Exception as error:
            log.exception(
                "chunk %d of refresh %s failed", self.claim.index, self.claim.record.job_id
            )
            self._found = self._part(
                Report.of(list(self._sweep.verdicts), f"a chunk failed: {type(error).__name__}")
            )
        finally:
            self._over.set()  # now: ending the loop may take longer than all the rest
            await redis.aclose()

    async def _beat(self, checked: int) -> bool:
        """Give a sign of life; tell whether to go on."""
        verdicts = self._sweep.verdicts
        while self._counted < len(verdicts):
            self._usable += verdicts[self._counted].usable
            self._counted += 1
        try:
            self.word = await self.claim.beat(checked, self._usable).run_async(self._redis)
        except RedisError as error:
            log.warning("no sign of life to Redis: %s", error)
        if self.word is not Word.GO_ON:
            self._over.set()
        return self.word is Word.GO_ON

    def _part(self, report: Report) -> Report:
        checked = {verdict.candidate.key for verdict in list(self._sweep.verdicts)}
        return report.part([parse(url).key for url in self._urls], checked)


def server_time(redis: Redis) -> Callable[[], float]:
    """Return a clock that shows the server's time without asking it again."""
    seconds, micros = redis.time()
    offset = seconds + micros / 1e6 - SYSTEM.monotonic()
    return lambda: round(SYSTEM.monotonic() + offset, 3)
