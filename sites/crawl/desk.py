"""Where those who work on a job report, and hear how it stands. Two stores have one each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sites.crawl.beat import Beat, Word


class Desk(Protocol):
    """The desk of one job, for those who work on it."""

    async def beat(self, word: Word) -> Beat | None:
        """Say that we live, and how we get on, again and again; None: nobody could hear it now."""

    async def note(self, field: str, text: str) -> None:
        """Keep something in the job's record, for people."""

    def count(self, counts: Mapping[str, int]) -> bool:
        """Add numbers to the job's record; tell whether that was done. Called from a thread."""
