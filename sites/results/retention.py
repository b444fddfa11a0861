"""How many runs of a site are kept: older ones are deleted in small steps, and the file shrinks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.core.clock import SYSTEM, Clock
from orchestrator.core.errors import OrchError
from sites.results.output import WITH_RUNS, Results

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from orchestrator.core.home import Home
    from sites.results.output import Run

#: Pages, with their items, that are deleted in one transaction: whoever drains meanwhile waits for that.
STEP_PAGES = 500
#: Pages of the file that are given back in one transaction.
STEP_FREED = 2_000
#: How often somebody looks by itself whether a site has too many runs, in seconds.
LOOK_EVERY_S = 300.0
#: A file of an older version is written anew, once, to be able to shrink; by itself up to this size.
MOST_REWRITTEN_BYTES = 50_000_000

_INCREMENTAL = 2
#: The states of a run that goes on no more, unless somebody wants it to.
ENDED = frozenset({"done", "partial", "failed", "unknown"})

_MARK = "UPDATE runs SET state = 'pruned' WHERE job = ?"
_UNFINISHED = "SELECT job FROM runs WHERE state = 'pruned' ORDER BY job"
# The last page of a step.
_UNTIL = "SELECT url FROM pages WHERE job = ? ORDER BY url LIMIT 1 OFFSET ?"
_DROP_ITEMS = "DELETE FROM items WHERE job = ?1 AND (?2 IS NULL OR url <= ?2)"
_DROP_PAGES = "DELETE FROM pages WHERE job = ?1 AND (?2 IS NULL OR url <= ?2)"
_DROP_PROOFS = "DELETE FROM proofs WHERE job = ?1 AND (?2 IS NULL OR url <= ?2)"
_DROP_RUN = "DELETE FROM runs WHERE job = ?"
_COUNT = """SELECT (SELECT count(*) FROM pages WHERE job = ?1),
  (SELECT count(*) FROM items WHERE job = ?1)"""


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept: the newest `runs`, and with `younger_than` (s) also whatever is not older.

    One more while the newest is under way: its pages that have not changed have the items of before.
    """

    runs: int
    younger_than: float | None = None

    def doomed(self, runs: Sequence[Run], now: float) -> list[Run]:
        """Return those of `runs`, the oldest first, that go; never the newest.

        >>> from sites.results.output import Run
        >>> old, new = Run("a", "done", at=10.0), Run("b", "done", at=50.0)
        >>> [run.job for run in Keep(1).doomed([old, new], now=60.0)]
        ['a']
        >>> Keep(1, younger_than=55.0).doomed([old, new], now=60.0)
        []
        """
        kept = max(1, self.runs) + bool(runs and runs[-1].state not in ENDED)
        beyond = runs[: max(0, len(runs) - kept)]
        if self.younger_than is None:
            return list(beyond)
        return [run for run in beyond if now - run.at > self.younger_than]


@dataclass(slots=True)
class Pruning:
    """The deletion of runs of one site, as far as it is; whoever is killed in it goes on later."""

    results: Results
    steps: Iterator[None] = field(init=False)

    def __post_init__(self) -> None:
        self.steps = self._all()

    def _all(self) -> Iterator[None]:
        for (job,) in list(self.results.rows(_UNFINISHED)):
            while not self._some_of(job):
                yield
        yield from self._shrink()

    def _some_of(self, job: str) -> bool:
        """Delete some pages of a run; tell whether that was all of it."""
        with self.results.writing() as db:
            found = db.execute(_UNTIL, (job, STEP_PAGES - 1)).fetchone()
            until = found[0] if found else None
            for drop in (_DROP_ITEMS, _DROP_PROOFS, _DROP_PAGES):
                db.execute(drop, (job, until))
            if until is None:
                db.execute(_DROP_RUN, (job,))
        return until is None

    def _shrink(self) -> Iterator[None]:
        while _pragma(self.results, "auto_vacuum") == _INCREMENTAL:
            if not _pragma(self.results, "freelist_count"):
                return
            self.results.outside(f"PRAGMA incremental_vacuum({STEP_FREED})")
            yield


def doom(results: Results, keep: Keep, now: float) -> list[Run]:
    """Mark the runs that are not kept: from now on no reader sees them. `Pruning` deletes them."""
    gone = keep.doomed(results.runs(), now)
    with results.writing() as db:
        db.executemany(_MARK, [(run.job,) for run in gone])
    return gone


def counted(results: Results, run: Run) -> dict[str, object]:
    """Tell what a run has, for people."""
    ((pages, items),) = results.rows(_COUNT, (run.job,))
    return {"job": run.job, "state": run.state, "at": run.at, "pages": pages, "items": items}


def rewrite(results: Results, *, most: float = float("inf")) -> None:
    """Let a file of an older version be one that can shrink, if it has at most `most` bytes."""
    small = _pragma(results, "page_count") * _pragma(results, "page_size") <= most
    if small and _pragma(results, "auto_vacuum") != _INCREMENTAL:
        results.outside("PRAGMA auto_vacuum = INCREMENTAL")
        results.outside("VACUUM")


def files(home: Home) -> list[tuple[str, Path]]:
    """Every site of which something is here, with its file; its definition may be gone."""
    found = sorted((home.data / "sites").glob("*/results.sqlite"))
    return [(path.parent.name, path) for path in found]


class Tidy:
    """Keeps the last runs of all sites, one small step at a time, for a service with other work to do."""

    def __init__(self, home: Home, runs: int, clock: Clock = SYSTEM) -> None:
        self._home = home
        self._keep = Keep(runs)
        self._clock = clock
        self._look_at = float("-inf")
        self._sites: list[Path] = []
        self._pruning: Pruning | None = None

    @property
    def busy(self) -> bool:
        """Whether there is more to do just now."""
        return self._pruning is not None or bool(self._sites)

    def step(self) -> None:
        """Do a little.

        Raises:
            OrchError: a file cannot be written; it is left alone until the next look.
        """
        try:
            if self._pruning is not None:
                self._go_on(self._pruning)
            elif self._sites:
                self._begin(self._sites.pop())
            elif self._clock.monotonic() >= self._look_at:
                self._look_at = self._clock.monotonic() + LOOK_EVERY_S
                self._sites = [path for _, path in files(self._home)]
        except OrchError:
            self.close()
            raise

    def close(self) -> None:
        """Leave the rest for later."""
        if self._pruning is not None:
            self._pruning.results.close()
        self._pruning = None

    def _begin(self, path: Path) -> None:
        if not self._too_many(path):
            return
        results = Results(path, write=True)
        self._pruning = Pruning(results)
        rewrite(results, most=MOST_REWRITTEN_BYTES)
        doom(results, self._keep, self._clock.wall())

    def _too_many(self, path: Path) -> bool:
        with Results(path) as results:
            left = results.version >= WITH_RUNS and list(results.rows(_UNFINISHED))
            return bool(left) or len(results.runs()) > self._keep.runs

    def _go_on(self, pruning: Pruning) -> None:
        if next(pruning.steps, self) is self:
            self.close()


def _pragma(results: Results, name: str) -> int:
    ((value,),) = results.rows(f"PRAGMA {name}")
    return int(value)
