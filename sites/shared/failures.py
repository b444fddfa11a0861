"""The pages of a job that gave nothing, or too little: what is on disk, and what only Redis knows."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from orchestrator.core.errors import RedisUnavailable
from orchestrator.core.redis import translated
from orchestrator.queue.model import QueueState
from sites.job.classes import LOST
from sites.results.output import Results
from sites.shared.ended import ended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.core.context import Context
    from sites.job.ref import JobRef
    from sites.shared.ended import Ended


def failures(
    context: Context, ref: JobRef, classes: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    """Tell the pages of a job that failed, or have items that lack something; those on disk by URL.

    With `classes`, all that ended by one of these, also those that were skipped.
    """
    path = context.home.site_results(ref.site)
    with Results(path) if path.is_file() else nullcontext() as results:
        if results:
            yield from results.failures(ref.id, classes)
        if not classes or LOST in classes:
            # The end of a page whose shards all died is in the frontier only.
            lost = (page for page in _failed(context, ref) if not _written(results, ref, page.url))
            yield from (page.row() for page in lost)


def _written(results: Results | None, ref: JobRef, url: str) -> bool:
    return results is not None and results.has(ref.id, url)


def _failed(context: Context, ref: JobRef) -> list[Ended]:
    """Return the pages that the frontier knows as failed, each once, as far as it is there."""
    queue = context.keys.frontier(ref.site, ref.id)
    try:
        with translated():
            found = ended(context.redis, queue, QueueState.ERROR)
            return sorted({page.url: page for page in found}.values(), key=lambda page: page.url)
    except RedisUnavailable:
        return []
