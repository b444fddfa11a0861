"""One chunk's candidates through the check: many in flight, and nothing raised for a proxy's sake."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from proxies.check.check import Check
from proxies.check.direct import (
    JudgeUnavailable,
    ask,
    ask_again,
    may_be_the_judges,
    see_pages,
    trusting,
)
from proxies.check.doubt import Doubt
from proxies.check.line import NoSocket
from proxies.check.lines import Lines
from proxies.check.room import room
from proxies.check.unreachable import Unreachable
from proxies.check.window import Window
from proxies.model import Verdict
from proxies.refresh.findings import JUDGE_UNAVAILABLE, OUT_OF_TIME, Report

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from orchestrator.core.proxies_section import ProxiesSection
    from proxies.check.direct import Judge
    from proxies.model import Proxy

log = logging.getLogger(__name__)

#: How often a chunk says how far it is, in seconds.
BEAT_EVERY_S = 1.0
#: A chunk starts no new check after this long, in seconds: it reports long before its task's limit.
LONGEST_S = 600.0
#: Checks that are started in one turn of the event loop.
_AT_ONCE = 32
#: How often a judge is asked whether it keeps up, in seconds: at first, and once all are in flight.
_LOOK_FIRST_S, _LOOK_S = 0.1, 1.0
#: Those who may have failed for want of the judge are checked once more.
_PASSES = 2
#: A judge does not keep up, and is missed, that answers later than at first by these parts of a check's
#: timeout: a check takes about four times as long as to ask the judge.
_SLOW, _MISSED = 0.1, 0.25
#: When there are no more open files to be had, those that come free are looked for so often, in seconds.
_FILES_AGAIN_S = 0.05


@dataclass(slots=True)
class Sweep:
    """The check of one chunk.

    `now` tells the time for the record; `beat` is told every second how many are checked, and
    answers whether the result is still wanted. Files that settings name lie in `home`.
    """

    settings: ProxiesSection
    now: Callable[[], float]
    beat: Callable[[int], Awaitable[bool]]
    home: Path = field(default_factory=Path)
    verdicts: list[Verdict] = field(default_factory=list)
    busy: float = 0.0  #: seconds that all checks together have taken
    _problem: str = ""
    _ends: float = 0.0
    _calm: float = 0.0  #: seconds that the judge needs for an answer when nobody else asks
    #: Whatever may not work for want of the judge, and from when to when that was found.
    _failures: list[tuple[Verdict, float, float]] = field(default_factory=list)

    async def run(self, candidates: Sequence[Proxy]) -> Report:
        """Check them all and report."""
        self._ends = asyncio.get_running_loop().time() + LONGEST_S
        beats = asyncio.create_task(self._beats())
        try:
            with Lines() as lines:
                judge = await self._judge(lines)
                for _ in range(_PASSES):
                    doubt = await self._check_all(lines, candidates, judge)
                    candidates = self._take_back(doubt)
                    if not candidates or self._problem:
                        break
                else:
                    self._problem = f"{JUDGE_UNAVAILABLE}: it answers only now and then"
        except JudgeUnavailable as error:
            self._problem = f"{JUDGE_UNAVAILABLE}: {error}"
        finally:
            beats.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beats
        return Report.of(self.verdicts, self._problem)

    async def _judge(self, lines: Lines) -> Judge:
        """The first judges that answer us directly."""
        timeout = self.settings.check_timeout
        judge = await ask(lines, self.settings.judges, timeout, self._trust())
        await see_pages(lines, judge, timeout)
        return judge

    def _trust(self) -> ssl.SSLContext:
        authorities = self.settings.judge_ca
        try:
            return trusting(str(self.home / authorities) if authorities else "")
        except OSError as error:
            why = error.strerror or "no certificate in it"
            raise JudgeUnavailable(f"proxies.judge_ca: {authorities}: {why}") from error

    async def _check_all(self, lines: Lines, candidates: Sequence[Proxy], judge: Judge) -> Doubt:
        unreachable = Unreachable(candidates)
        check = Check(lines, judge, self.settings.check_timeout, self.now, unreachable)
        window = Window(room(self.settings.in_flight))
        doubt = Doubt(lines.time())
        self._calm = await self._look(lines, judge, doubt)
        looks = asyncio.create_task(self._looks(lines, judge, window, doubt))
        try:
            async with asyncio.TaskGroup() as group:
                for number, proxy in enumerate(candidates):
                    await window.enter()
                    if self._over():
                        break
                    group.create_task(self._one(check, proxy, window))
                    if number % _AT_ONCE == 0:
                        await asyncio.sleep(0)
        finally:
            looks.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looks
        if self._failures:
            await self._look(lines, judge, doubt)  # was it there until the end?
        return doubt

    async def _looks(self, lines: Lines, judge: Judge, window: Window, doubt: Doubt) -> None:
        """See that the judge keeps up with what it is asked through proxies, and is there at all."""
        while not self._problem:
            await asyncio.sleep(_LOOK_FIRST_S if window.width < window.most else _LOOK_S)
            seconds = await self._look(lines, judge, doubt)
            window.judge_is(quick=seconds < self._calm + self.settings.check_timeout * _SLOW)

    async def _look(self, lines: Lines, judge: Judge, doubt: Doubt) -> float:
        """Ask it directly, as long as a check lasts; without an answer nothing more is started."""
        timeout, asked = self.settings.check_timeout, lines.time()
        try:
            try:
                await ask_again(lines, judge, self._calm + timeout * _MISSED)
            except JudgeUnavailable:
                doubt.missed()
                await ask_again(lines, judge, timeout)
            doubt.heard(asked, lines.time())
        except JudgeUnavailable as error:
            self._problem = f"{JUDGE_UNAVAILABLE}: {error}"
        except NoSocket:  # that says nothing about the judge, but we have enough in flight
            return timeout
        return lines.time() - asked

    def _take_back(self, doubt: Doubt) -> list[Proxy]:
        """Forget what may have failed for want of the judge; whom to check again."""
        doubtful = {id(verdict) for verdict, *times in self._failures if doubt.concerns(*times)}
        self._failures.clear()
        taken = [verdict.candidate for verdict in self.verdicts if id(verdict) in doubtful]
        self.verdicts = [verdict for verdict in self.verdicts if id(verdict) not in doubtful]
        return taken

    def _over(self) -> bool:
        """Whether nothing more is to be started."""
        if not self._problem and asyncio.get_running_loop().time() > self._ends:
            self._problem = OUT_OF_TIME
        return bool(self._problem)

    async def _one(self, check: Check, proxy: Proxy, window: Window) -> None:
        started = check.lines.time()
        try:
            while not self._over():
                try:
                    verdict = await check.run(proxy)
                    self.verdicts.append(verdict)
                    if verdict.http_only or may_be_the_judges(verdict.reason):
                        self._failures.append((verdict, started, check.lines.time()))
                    break
                except NoSocket:
                    pass
                except Exception:
                    log.exception("the check of %s failed", proxy.masked)
                    self.verdicts.append(Verdict(proxy, self.now(), "the check itself failed"))
                    break
                await asyncio.sleep(_FILES_AGAIN_S)
        finally:
            window.leave()
        self.busy += check.lines.time() - started

    async def _beats(self) -> None:
        while not self._problem:
            if not await self.beat(len(self.verdicts)):
                self._problem = "no longer wanted"
            await asyncio.sleep(BEAT_EVERY_S)
