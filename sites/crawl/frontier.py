"""The frontier of a job: the pages that are known, and who works on which. Two stores have one each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.queue.model import Lease, NewJob
    from sites.results.outcome import Outcome


class Frontier(Protocol):
    """Pages of one job, for one event loop.

    A store that is away, or full, pauses whoever works with it: only cancelling ends the wait. What is
    leased comes back by itself when whoever has it dies.
    """

    @property
    def epoch(self) -> int:
        """Another number whenever the store may have forgotten what it was told last."""

    async def lease(self, n: int) -> list[Lease]:
        """Take up to `n` pages; one whose attempts are used up ends as error instead."""

    async def live(self) -> int:
        """Return how many pages have not ended."""

    async def extend(self, held: Mapping[str, str]) -> list[str]:
        """Renew leases (URL -> token); return the pages that were lost. Waits for nobody."""

    async def release(self, held: Mapping[str, str]) -> None:
        """Give pages back, attempt not counted. Waits for nobody: else they come back by themselves."""

    async def commit(self, lease: Lease, outcome: Outcome, pages: Sequence[NewJob]) -> None:
        """End a page: what came of it is kept, and the pages that it leads to are known from then on.

        A crash loses nothing of that, and repeats at most the page.

        Raises:
            LeaseLost: somebody else has the page now; nothing was written.
        """

    async def retry(self, lease: Lease, error: str, delay: float) -> None:
        """Let the page wait `delay` seconds for its next attempt.

        Raises:
            LeaseLost: somebody else has the page now.
        """
