"""One job from where it stands to its end, or to a stop: without Redis, without Celery."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import OrchError
from orchestrator.gate.async_gate import AsyncGate
from orchestrator.gate.gate import Gate
from orchestrator.queue.model import QueueState
from orchestrator.queue.sqlite.store import SqliteStore
from sites.crawl.ask import Asker
from sites.crawl.crawl import Crawl, Terms
from sites.crawl.ends import End
from sites.crawl.settle import Settler
from sites.crawl.told import Told
from sites.crawl.work import new_page
from sites.definition.definition import Definition
from sites.extract.extract import Extractor
from sites.fetch.transport import Transport
from sites.job.classes import LOST
from sites.job.finish import ending, out_of_time
from sites.job.state import JobState
from sites.local.desk import LocalDesk
from sites.local.frontier import SqliteFrontier
from sites.local.record import STOPPED
from sites.local.results import LocalResults
from sites.politeness.gates import Allowance
from sites.politeness.robots import Robots
from sites.politeness.robots_store import LocalRobots
from sites.results.memory import Memory
from sites.results.outcome import Outcome
from sites.results.retention import Keep, Pruning, doom

if TYPE_CHECKING:
    from orchestrator.gate.local import LocalStore
    from orchestrator.queue.model import Stats
    from sites.crawl.picks import Picks
    from sites.local.place import LocalPlace, Runner
    from sites.local.record import LocalRecord
    from sites.scraper import Scraper

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LocalCrawl:
    """A job of which `runner` holds the lock, until it has ended."""

    runner: Runner
    record: LocalRecord
    own: Scraper | None
    keep_runs: int
    _stopped: str = field(init=False, default="")

    @property
    def place(self) -> LocalPlace:
        """Where its files are."""
        return self.runner.place

    def stop(self, reason: str = STOPPED) -> None:
        """Make no new request within 1 s, and let those that are out end for 2 s."""
        self._stopped = reason

    async def run(self, gates: LocalStore, picker: Picks) -> None:
        """Crawl until the job has ended or is stopped; what breaks it off stands in its record."""
        try:
            await self._run(gates, picker)
        except Exception as error:  # the outer edge of a job: it never ends the others
            log.exception("%s broke off", self.record.ref.member)
            self.record.note(broke=f"{type(error).__name__}: {error}")
            with contextlib.suppress(OrchError):  # a disk that is full has room for nothing
                self.record.save()
        finally:
            self.runner.release()

    async def _run(self, gates: LocalStore, picker: Picks) -> None:
        record = self.record
        definition = Definition.model_validate_json(record.job.definition)
        path = self.place.frontier(record.ref.id)
        with (
            closing(SqliteStore(path, synchronous="NORMAL")) as store,
            LocalResults(self.place, record.ref) as results,
        ):
            frontier = SqliteFrontier(store, results, record, definition.limits)
            frontier.open([new_page(url) for url in definition.start_urls])
            record.note(broke="", health="", rate="0")
            record.move(JobState.RUNNING)
            results.stand(record.job)
            results.counts.update(blocked=record.job.blocked, unchanged=record.job.unchanged)
            end = await self._crawl(definition, frontier, results, gates, picker)
            if frontier.broken is not None:
                raise frontier.broken
            self._finish(definition, store, results, end)
            await self._tidy(results)

    async def _crawl(
        self,
        definition: Definition,
        frontier: SqliteFrontier,
        results: LocalResults,
        gates: LocalStore,
        picker: Picks,
    ) -> End:
        terms = Terms(
            slice_s=math.inf,
            worker_stops=lambda: self._ends(frontier) or self._is_late(definition),
        )
        site = definition.name
        desk = LocalDesk(
            self.runner,
            self.record,
            lambda: frontier.trouble,
            lambda: {"breaker": str(gates.look(site).state), **results.told()},
        )
        extractor = Extractor(definition, self.own)
        settler = Settler(definition, frontier, desk, Told(frontier), extractor.recipe)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(frontier.close)
            allowance = Allowance(definition)
            gate = stack.enter_context(Gate(gates, allowance, closes_store=False))
            await stack.enter_async_context(extractor.tally.told(desk))
            before = stack.enter_context(self._memory(definition, extractor))
            transport = await stack.enter_async_context(Transport(definition))
            asker = Asker(
                *(definition, AsyncGate(gate, inline=True), transport, picker),
                robots=self._robots(definition, allowance),
                jitter=allowance.jitter,
                expects=extractor.expects,
                known=before.known,
            )
            while (end := await Crawl(asker, settler, extractor, terms).run()) is End.IDLE:
                continue  # a page waits for its next attempt
            return end

    def _memory(self, definition: Definition, extractor: Extractor) -> Memory:
        """What runs before know, where only what has changed is asked for."""
        job, wanted = self.record.ref.id, definition.changed_only
        return Memory(self.place.results, job, extractor.recipe, wanted=wanted)

    def _robots(self, definition: Definition, allowance: Allowance) -> Robots | None:
        """What the robots.txt of its hosts say, where the site's file does not ignore them."""
        if not definition.robots:
            return None
        return Robots(definition.agent, LocalRobots(self.place.robots), allowance.hear)

    def _ends(self, frontier: SqliteFrontier) -> bool:
        return bool(self._stopped) or frontier.broken is not None or self._told_to_stop()

    def _is_late(self, definition: Definition) -> bool:
        over = out_of_time(self.record.job, definition, SYSTEM.wall())
        self.record.note(over=over)
        return bool(over)

    def _told_to_stop(self) -> bool:
        """Whether somebody else wants this very job stopped."""
        try:
            return self.place.stop.read_text("utf-8") == self.record.ref.id
        except OSError:
            return False

    def _finish(
        self, definition: Definition, store: SqliteStore, results: LocalResults, end: End
    ) -> None:
        record, stats = self.record, store.stats()
        state, reason = JobState.STOPPED, self._stopped or STOPPED
        if end is End.FINISHED:
            results.put(_lost(store, results, record.ref.id))
        if end is End.FINISHED or record.job.over:
            stats = replace(stats, refused=int("refused" in record.facts))
            state, reason = ending(stats, definition, record.facts)
            _explain(record, store, stats)
        record.note(**results.told() | {"items": str(results.count()), "rate": "0", "health": ""})
        results.stand(replace(record.job, state=state, reason=reason, finished_at=SYSTEM.wall()))
        record.move(state, reason=reason)

    async def _tidy(self, results: LocalResults) -> None:
        """Forget old runs, a little at a time: other sites go on meanwhile."""
        doom(results.file, Keep(self.keep_runs), SYSTEM.wall())
        for _ in Pruning(results.file).steps:
            await asyncio.sleep(0)


def _lost(store: SqliteStore, results: LocalResults, job: str) -> list[Outcome]:
    """The ends of pages that nobody could write a result for: every process that had them died."""
    failed = store.every(state=QueueState.ERROR)
    return [
        Outcome(page.id, "error", kind=LOST, reason=page.reason, attempts=page.attempts)
        for page in failed
        if not results.file.has(job, page.id)
    ]


def _explain(record: LocalRecord, store: SqliteStore, stats: Stats) -> None:
    """Say in the record why pages failed, or why none succeeded, where nobody has."""
    if record.job.error or (stats.done and not stats.error):
        return
    state = QueueState.ERROR if stats.error else QueueState.SKIPPED
    for page in store.jobs(state=state, limit=1):
        told = f"{page.reason} ({page.id})"
        record.note(error=told if stats.error else f"every page was skipped: {told}")
