"""Site jobs without Redis and without Celery, for commands and Python."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from orchestrator.core.clock import Deadline, wait_until
from orchestrator.core.errors import (
    Busy,
    ConfigError,
    OrchError,
    UsableProxiesMissing,
)
from orchestrator.core.files import write_atomically
from orchestrator.core.redis import translated
from sites import local
from sites.crawl.file_picker import FilePicker
from sites.definition.registry import Registry
from sites.extract import own_class
from sites.fetch.extras import need_engine
from sites.job.classes import known
from sites.job.state import JobState
from sites.local.again import failed, queue_again
from sites.local.place import LocalPlace, Runner, end, is_run, told_to_stop, who
from sites.local.record import STOPPED, LocalRecord
from sites.results.output import Results
from sites.shared.record import Records

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.core.context import Context
    from sites.definition.definition import Definition
    from sites.job.job import Job
    from sites.local.crawl import LocalCrawl
    from sites.results.retryable import Page

#: A runner sees a stop within 0.25 s, its requests have 2 s.
STOP_S = 4.5
#: Who was killed is gone within so long.
ENDED_S = 2.0
LOOK_EVERY_S = 0.05


class LocalJobs:
    """The jobs of a home that one process crawls by itself."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._registry = Registry(context.home)

    @contextmanager
    def started(
        self, sites: Sequence[str], *, changed_only: bool = False
    ) -> Iterator[list[LocalCrawl]]:
        """Make a job for each site, or take the one that was broken off; nobody else works on them within.

        One that another process crawls by itself is left to it.

        Raises:
            ConfigError: there is no such site, or its file is wrong.
            Busy: the workers crawl one of them.
            UsableProxiesMissing: one requires proxies, and the file of the pool has none.
        """
        with self._held(sites) as runners:
            yield [self._start(runner, changed_only=changed_only) for runner in runners]

    @contextmanager
    def resumed(self, sites: Sequence[str]) -> Iterator[list[LocalCrawl]]:
        """Take the newest job of each site, by today's definition, to go on with what is left.

        One that has ended is left as it is, and one that another process crawls is left to it.

        Raises:
            ConfigError: a site never had a job here, or its file is wrong.
            Busy, UsableProxiesMissing: as for `started`.
        """
        with self._held(sites) as runners:
            found = [self._resume(runner) for runner in runners]
            yield [crawl for crawl in found if crawl is not None]

    @contextmanager
    def retried(self, site: str, classes: Sequence[str] = ()) -> Iterator[list[LocalCrawl]]:
        """Queue the pages anew that `failed` tells, and take their job, by today's definition.

        Raises:
            Busy: somebody crawls the site.
            ConfigError, UsableProxiesMissing: as for `resumed`.
        """
        self.need_nobody(site)
        with self._held([site]) as runners:
            for runner in runners:
                record = _recorded(runner.place)
                queue_again(record, failed(record, known(classes)))
            yield [crawl for crawl in map(self._resume, runners) if crawl is not None]

    def failed(self, site: str, classes: Sequence[str] = ()) -> tuple[Job, list[Page]]:
        """Return the newest job here, and its failed pages, or those that ended by one of `classes`.

        Raises:
            ConfigError: a class is none, or the site never had a job here.
        """
        classes = known(classes)
        record = _recorded(LocalPlace(self._context.home, site))
        return record.job, failed(record, classes)

    def stop(self, site: str, *, timeout: float = STOP_S) -> Job:
        """Have whoever crawls the site stop, and kill it after `timeout` seconds; return the job.

        Raises:
            ConfigError: the site never had a job here.
            OrchError: it does not stop.
        """
        place = LocalPlace(self._context.home, site)
        record = _recorded(place)
        if is_run(place):
            write_atomically(place.stop, record.ref.id, durable=False)
            if not _ended(place, timeout):
                end(place, record.ref.id)  # it hangs: what is on disk is whole at any moment
                if not _ended(place, ENDED_S):
                    raise OrchError(f"{site}: {who(place)} was told to stop, and goes on")
        self.settle(site, record.ref.id, "", stopped=True)
        return _recorded(place).job

    def is_active(self, site: str) -> bool:
        """Tell whether the site has a job here that has not ended; its process may be gone."""
        place = LocalPlace(self._context.home, site)
        record = LocalRecord.read(place)
        return record is not None and (record.job.active or is_run(place))

    def need_nobody(self, site: str) -> None:
        """Make sure that no process crawls the site.

        Raises:
            Busy: one does.
        """
        place = LocalPlace(self._context.home, site)
        if is_run(place):
            raise Busy(
                f"{site}: {who(place)} is crawling it", hint=f"`orch sites stop {site}` stops that"
            )

    def settle(self, site: str, job_id: str, broke: str, *, stopped: bool) -> None:
        """Write down what became of a job whose process is gone: it was `stopped`, or this broke it off.

        Nothing is changed when the job has ended, or somebody else works on it by now.
        """
        place = LocalPlace(self._context.home, site)
        stopped = stopped or told_to_stop(place, job_id)  # and killed because it hung
        with suppress(Busy), Runner(place):
            record = LocalRecord.read(place)
            if record is None or record.ref.id != job_id or not record.job.active:
                return
            if stopped:
                record.move(JobState.STOPPED, reason=STOPPED)
            elif broke:
                record.note(broke=broke)
                record.save()

    @contextmanager
    def _held(self, sites: Sequence[str]) -> Iterator[list[Runner]]:
        for site in sites:
            self._definition(site)  # every mistake before the first start
        self._context.home.make()
        with ExitStack() as stack:
            runners = []
            for site in sites:
                runner = Runner(LocalPlace(self._context.home, site))
                with suppress(Busy):
                    runners.append(stack.enter_context(runner))
            for runner in runners:
                self._need_no_worker(runner.place.site)
            yield runners

    def _start(self, runner: Runner, *, changed_only: bool) -> LocalCrawl:
        place = runner.place
        record = LocalRecord.read(place)
        if record is not None and record.job.active:
            return self._go_on(runner, record)
        newest = max(self._newest(place), record.ref.id if record else "")
        definition = self._definition(place.site).told(changed_only=changed_only)
        made = LocalRecord.make(place, definition.model_dump_json(), newest)
        return self._crawl(runner, made, definition)

    def _resume(self, runner: Runner) -> LocalCrawl | None:
        """Take its job; what there is nothing to do of is let go."""
        record = _recorded(runner.place)
        if record.job.state is JobState.STOPPED:
            record.move(JobState.PENDING)
        elif not record.job.active:
            runner.release()
            return None
        return self._go_on(runner, record)

    def _go_on(self, runner: Runner, record: LocalRecord) -> LocalCrawl:
        """Take a job that has not ended, by today's definition."""
        definition = self._definition(runner.place.site).going_on(record.job.definition)
        record.note(definition=definition.model_dump_json(), broke="")
        record.save()
        return self._crawl(runner, record, definition)

    def _crawl(self, runner: Runner, record: LocalRecord, definition: Definition) -> LocalCrawl:
        own = own_class.load(definition, self._registry.get(definition.name).path.parent)
        keep = self._context.settings.sites.keep_runs
        made: LocalCrawl = local.LocalCrawl(runner, record, own, keep)
        return made

    def _definition(self, site: str) -> Definition:
        entry = self._registry.get(site)
        definition = entry.definition
        own_class.load(definition, entry.path.parent)
        need_engine(definition)
        if definition.proxies == "require":
            self._need_proxies(site)
        return definition

    def _need_proxies(self, site: str) -> None:
        path = self._context.home.live_proxies
        if not FilePicker(path).usable:
            raise UsableProxiesMissing(
                f"{site} requires proxies, and {path} has none that is usable",
                hint="`orch proxies refresh --up` writes it; with passwords only if orch.toml says "
                "[proxies] credentials_in_file = true",
            )

    def _need_no_worker(self, site: str) -> None:
        """Refuse what the workers crawl just now."""
        try:
            with translated():
                records = Records(self._context.redis, self._context.keys)
                ref = records.current(site)
                job = records.read(ref) if ref else None
        except OrchError:  # whoever crawls without Redis need not have one that is well
            return
        if job is not None and job.active:
            raise Busy(
                f"{site}: the workers are crawling it",
                hint=f"`orch sites start {site}` follows that; `orch sites stop {site}` stops it",
            )

    def _newest(self, place: LocalPlace) -> str:
        """The id of the newest job of which there are results, whoever crawled it."""
        if not place.results.is_file():
            return ""
        with Results(place.results) as results:
            return results.newest_job() or ""


def _ended(place: LocalPlace, timeout: float) -> bool:
    return wait_until(lambda: not is_run(place), Deadline.after(timeout), every=LOOK_EVERY_S)


def _recorded(place: LocalPlace) -> LocalRecord:
    record = LocalRecord.read(place)
    if record is None:
        problem = f"{place.site}: there is no job of it that was crawled with --local"
        raise ConfigError((problem,), hint=f"`orch sites start {place.site} --local` makes one")
    return record
