"""The hosts of jobs in their one spelling: what limits per host count by."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.core.host_key import host_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.queue.model import NewJob

__all__ = ["at_known_hosts", "host_key"]


def at_known_hosts(jobs: Iterable[NewJob]) -> list[NewJob]:
    """The same jobs, each with the key of its host, so that a limit counts all spellings as one.

    Raises:
        ValueError: what one has as its host is none.
    """
    return [
        job if (host := _known(job.host)) == job.host else replace(job, host=host) for job in jobs
    ]


@lru_cache(10_000)
def _known(host: str) -> str:
    found = host_key(host)
    if host and not found:
        raise ValueError(f"host must be a host, or a URL at one, not {host!r:.80}")
    return found
