"""What the last runs know of pages that a site may tell us are as they were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from orchestrator.core.errors import OrchError
from sites.extract.extract import Extracted
from sites.fetch.answer import Proof
from sites.results.output import Results
from sites.results.proofs import unpacked

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

#: Files from this version on have proofs.
WITH_PROOFS = 3

# The newest proof of a page, with what its items lacked. What is being pruned is not there any more.
_PROOF = """SELECT proofs.job, etag, last_modified, links, missing FROM proofs
  JOIN runs ON runs.job = proofs.job AND runs.state <> 'pruned'
  JOIN pages ON pages.job = proofs.job AND pages.url = proofs.url
  WHERE proofs.url = ?1 AND proofs.recipe = ?2 AND proofs.job < ?3"""
_ITEMS = "SELECT data FROM items WHERE job = ? AND url = ? ORDER BY position"


@dataclass(frozen=True, slots=True)
class Known:
    """A page as it was when it was last read, and with what its site tells that it still is."""

    proof: Proof
    found: Extracted


class Memory:
    """The pages of a site that were read by the same `recipe` in a run before `job`; none unless `wanted`.

    A worker on another machine than the results knows nothing of them, and asks for everything.
    """

    def __init__(self, path: Path, job: str, recipe: str, *, wanted: bool) -> None:
        self._job = job
        self._recipe = recipe
        self._results: Results | None = None
        if wanted and path.is_file():
            found = Results(path)
            if found.version >= WITH_PROOFS:
                self._results = found
            else:
                found.close()

    def known(self, url: str) -> Known | None:
        """Return what is known of a page; a file that cannot be read just now knows nothing."""
        try:
            return self._known(url) if self._results else None
        except OrchError:
            return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._results:
            self._results.close()

    def _known(self, url: str) -> Known | None:
        assert self._results is not None  # noqa: S101  (`known` looked)
        with self._results.snapshot():  # or a run might go between its page and its items
            for job, etag, last_modified, links, missing in self._results.rows(
                _PROOF, (url, self._recipe, self._job)
            ):
                items = [json.loads(data) for (data,) in self._results.rows(_ITEMS, (job, url))]
                deeper, further, dropped = unpacked(links)
                found = Extracted(items, deeper, json.loads(missing), further, dropped)
                return Known(Proof(etag, last_modified), found)
        return None
