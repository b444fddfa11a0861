"""One chunk's candidates through the check: many in flight, and nothing raised for a proxy's sake."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxies.check import Check, JudgeUnavailable, ask
from proxies.findings import JUDGE_UNAVAILABLE, Report
from proxies.model import Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from orchestrator.core.settings import ProxiesSection
    from proxies.check import Judge
    from proxies.model import Proxy

log = logging.getLogger(__name__)

#: How often a chunk says how far it is, in seconds.
BEAT_EVERY_S = 1.0
#: A chunk starts no new check after this long, in seconds: it reports long before its task's limit.
LONGEST_S = 600.0
#: Open files that are left to everything but checks; a check may hold two.
_OTHER_FILES = 100


@dataclass(slots=True)
class Sweep:
    """The check of one chunk.

    `now` tells the time for the record; `beat` is told every second how many are checked, and
    answers whether the result is still wanted.
    """

    settings: ProxiesSection
    now: Callable[[], float]
    beat: Callable[[int], Awaitable[bool]]
    verdicts: list[Verdict] = field(default_factory=list)
    busy: float = 0.0  #: seconds that all checks together have taken
    _problem: str = ""

    async def run(self, candidates: Sequence[Proxy]) -> Report:
        """Check them all and report."""
        beats = asyncio.create_task(self._beats())
        try:
            judge = await self._judge()
            await self._check_all(candidates, judge)
            if any(not verdict.live for verdict in self.verdicts):
                await self._judge()  # was it there until the end?
        except JudgeUnavailable as error:
            self._problem = f"{JUDGE_UNAVAILABLE}: {error}"
        finally:
            beats.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beats
        return self._report()

    async def _judge(self) -> Judge:
        """The first judge that answers us directly."""
        problems = []
        for url in self.settings.judges:
            try:
                return await ask(url, self.settings.check_timeout)
            except JudgeUnavailable as error:
                problems.append(str(error))
        raise JudgeUnavailable("; ".join(problems))

    async def _check_all(self, candidates: Sequence[Proxy], judge: Judge) -> None:
        check = Check(judge, self.settings.check_timeout, self.now)
        waiting = iter(candidates)
        width = min(len(candidates), self.settings.in_flight, _room())
        ends = asyncio.get_running_loop().time() + LONGEST_S
        await asyncio.gather(*(self._work(check, waiting, ends) for _ in range(width)))
        if len(self.verdicts) < len(candidates) and not self._problem:
            self._problem = "ran out of time"

    async def _work(self, check: Check, waiting: Iterator[Proxy], ends: float) -> None:
        loop = asyncio.get_running_loop()
        for proxy in waiting:
            if self._problem or loop.time() > ends:
                return
            started = loop.time()
            try:
                verdict = await check.run(proxy)
            except Exception:
                log.exception("the check of %s failed", proxy.masked)
                verdict = Verdict(proxy, self.now(), "the check itself failed")
            self.busy += loop.time() - started
            self.verdicts.append(verdict)

    async def _beats(self) -> None:
        while not self._problem:
            if not await self.beat(len(self.verdicts)):
                self._problem = "no longer wanted"
            await asyncio.sleep(BEAT_EVERY_S)

    def _report(self) -> Report:
        live = tuple(verdict for verdict in self.verdicts if verdict.live)
        reasons = Counter(verdict.reason for verdict in self.verdicts if not verdict.live)
        return Report(live, dict(reasons), len(self.verdicts), self._problem)


def _room() -> int:
    """How many checks may be in flight with the files that this process may open."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 10_000
    return max(1, (limit - _OTHER_FILES) // 2)
