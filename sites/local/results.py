"""The results of a job that is crawled without Redis: the same file as that of the service `results`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM
from orchestrator.core.files import unwritable
from sites.results.aside import aside_file, set_aside
from sites.results.outcome import Entry, Outcome, Standing
from sites.results.output import NotStorable, Results

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self

    from sites.job.job import Job
    from sites.job.ref import JobRef
    from sites.local.place import LocalPlace

log = logging.getLogger(__name__)


class LocalResults:
    """The file of one site, open for one job in the thread that enters."""

    def __init__(self, place: LocalPlace, ref: JobRef) -> None:
        self._place = place
        self._ref = ref
        self._number = 0
        self._log = -1
        self.items = (
            0  #: of the job; those of a page that was fetched again count twice until the end
        )
        self.counts: Counter[str] = Counter()  #: of pages that were blocked, or unchanged
        self._moved_at = SYSTEM.wall()

    def __enter__(self) -> Self:
        self.file = Results(self._place.results, write=True)
        # Whoever writes waits for the disk himself (`sync`), so that the event loop does not.
        self.file.outside("PRAGMA synchronous = NORMAL")
        self.items = self.count()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._log >= 0:
            os.close(self._log)
        self.file.close()

    def put(self, outcomes: Iterable[Outcome]) -> None:
        """Write what came of pages, all or nothing; it is safe on disk after the next `sync`.

        Raises:
            DiskFull, OrchError: nothing of it was written.
        """
        entries = [self._entry(outcome) for outcome in outcomes]
        self._put(entries)
        self.items += sum(entry.items for entry in entries)
        self.counts.update(entry.counter for entry in entries if entry.counter)
        self._moved_at = SYSTEM.wall()

    def told(self) -> dict[str, str]:
        """What people are told of them while the job goes on."""
        counts = {name: str(count) for name, count in self.counts.items()}
        return {**counts, "items": str(self.items), "moved_at": f"{self._moved_at:.3f}"}

    async def sync(self) -> None:
        """Wait until all that was put is safe on disk."""
        await asyncio.to_thread(self._sync)

    def stand(self, job: Job) -> None:
        """Write how the job stands, safe on disk on return."""
        at = job.finished_at or SYSTEM.wall()
        self._put([self._entry(Standing(job.state, at, job.started_at, job.reason))])
        self._sync()

    def count(self) -> int:
        """How many items the job has."""
        ((count,),) = self.file.rows("SELECT count(*) FROM items WHERE job = ?", (self._ref.id,))
        return int(count)

    def _entry(self, told: Outcome | Standing) -> Entry:
        self._number += 1
        entry_id = f"{int(SYSTEM.wall() * 1000)}-{self._number}"
        return Entry(entry_id, self._ref.site, self._ref.id, told)

    def _put(self, entries: list[Entry]) -> None:
        try:
            self.file.put(entries)
        except NotStorable as error:
            if len(entries) > 1:  # one of them is to blame
                half = len(entries) // 2
                self._put(entries[:half])
                self._put(entries[half:])
            elif isinstance(entries[0].told, Outcome):
                self._put_odd(entries[0], entries[0].told, str(error))

    def _put_odd(self, entry: Entry, outcome: Outcome, why: str) -> None:
        """Write it as it would come out of the stream of results; else keep it for people."""
        fields = {"site": entry.site, "job": entry.job, "body": outcome.to_json()}
        try:
            self.file.put([Entry.read(entry.id, fields)])
        except (NotStorable, ValueError):
            set_aside(self._place.home, entry.id, fields, why)
            log.error("%s; it is kept in %s", why, aside_file(self._place.home))  # noqa: TRY400

    def _sync(self) -> None:
        path = f"{self._place.results}-wal"
        try:
            if self._log < 0:
                self._log = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            os.fdatasync(self._log)
        except OSError as error:
            raise unwritable(self._place.results, error) from error
