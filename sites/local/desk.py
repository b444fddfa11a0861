"""The desk of a job that is crawled without Redis: its record, in a file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.core.errors import OrchError
from sites.crawl.beat import Beat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sites.crawl.beat import Word
    from sites.local.place import Runner
    from sites.local.record import LocalRecord


@dataclass(frozen=True, slots=True)
class LocalDesk:
    """`Desk` in the process that works on the job; `look` tells what else is known of it by now.

    `trouble` says what of its files cannot be written; `runner` tells it where the record cannot.
    """

    runner: Runner
    record: LocalRecord
    trouble: Callable[[], str]
    look: Callable[[], dict[str, str]]

    async def beat(self, word: Word) -> Beat | None:
        """See `Desk`; what is known until now can be read by everybody then."""
        trouble = self.trouble()
        self.record.note(rate=f"{word.rate:.3f}", health=trouble or word.reason, **self.look())
        try:
            await asyncio.to_thread(self.record.save)
        except OrchError as error:
            trouble = trouble or str(error)
        self.runner.sign(trouble)
        return Beat(
            held=True, state=self.record.job.state, live=1, backlog=0, wanted_by="", trouble=trouble
        )

    async def note(self, field: str, text: str) -> None:
        """See `Desk`; the next beat writes it."""
        self.record.note(**{field: text})

    def count(self, counts: Mapping[str, int]) -> bool:
        """See `Desk`; the next beat writes it."""
        self.record.count(counts)
        return True
