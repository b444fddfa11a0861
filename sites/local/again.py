"""Failed pages of a job that is crawled without Redis, queued anew."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

from orchestrator.queue.model import NewJob, OnConflict, QueueState
from orchestrator.queue.sqlite.store import SqliteStore
from sites.job.classes import LOST
from sites.results.output import Results
from sites.results.retryable import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sites.local.record import LocalRecord

_AGAIN = (QueueState.ERROR, QueueState.SKIPPED)


def failed(record: LocalRecord, classes: Sequence[str] = ()) -> list[Page]:
    """Return the pages that failed, or those that ended by one of `classes`, also if they were skipped."""
    job, place = record.ref.id, record.place
    if not place.results.is_file() or not place.frontier(job).is_file():
        return []
    with Results(place.results) as results, closing(SqliteStore(place.frontier(job))) as store:
        told = [*_told(results, job, classes)]
        if not classes or LOST in classes:
            told += _untold(results, job, store)
        return [page for page in told if _may_go_again(store, page.url)]


def queue_again(record: LocalRecord, pages: Iterable[Page]) -> None:
    """Let the job go on with these pages, their attempts from the start.

    Whoever is killed in it has queued some of them, and the job goes on with those.
    """
    pages = list(pages)
    anew = [NewJob(page.url, page.facts, keep=("payload",)) for page in pages]
    if not anew:
        return
    counted = Counter(page.counter for page in pages if page.counter)
    record.count({name: -count for name, count in counted.items()})
    record.reopen()
    with closing(SqliteStore(record.place.frontier(record.ref.id))) as store:
        store.enqueue(anew, OnConflict.REQUEUE)


def _told(results: Results, job: str, classes: Sequence[str]) -> Iterator[Page]:
    for row in results.failures(job, classes):
        if classes or row["state"] == QueueState.ERROR:
            yield Page.of(row)


def _untold(results: Results, job: str, store: SqliteStore) -> Iterator[Page]:
    """Pages that nobody could write a result for: every process that had them died."""
    for page in store.every(state=QueueState.ERROR):
        if not results.has(job, page.id):
            yield Page(page.id, LOST)


def _may_go_again(store: SqliteStore, url: str) -> bool:
    page = store.job(url)
    return page is not None and page.state in _AGAIN
