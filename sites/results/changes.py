"""What is new, changed or gone between two runs of a site, for any number of items.

Both runs are read in the order of what identifies an item, side by side: nothing is kept of either.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sites.results.content import before
from sites.results.output import WITH_RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sites.results.output import Results, Run

#: What a run must have come to, to be compared with; nobody knows of those before this was kept.
COMPARABLE = frozenset({"done", "partial", "unknown"})
WHOLE = "done"

_BY_PLACE = "u"

# Of each item what identifies it, where it is, and its content; first one's own, then those of others.
_PRINTS = """SELECT iif(k = '', 'u' || url || char(10) || position, 'k' || k) AS ident,
    url, position, content
  FROM (SELECT {key} AS k, url, position, {content} AS content FROM items WHERE job = ?1 AND ?2 <> '')
  ORDER BY ident, url, position"""
_DATA = "SELECT data FROM items WHERE job = ? AND url = ? AND position = ?"


class Print(NamedTuple):
    """An item without its fields."""

    ident: str
    url: str
    position: int
    content: bytes


@dataclass(slots=True)
class Changes:
    """The items of `new` that `old` did not have like that; without `old` all of them.

    `counts` are those of the last time that `lines` was read to its end: new, changed, gone, and how many
    items were left out (`same_key`) or told by their place for want of a key (`no_key`).
    """

    results: Results
    new: Run
    old: Run | None
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def key(self) -> tuple[str, ...]:
        """What identifies an item; a run without any item does not say."""
        return self.new.key or (self.old.key if self.old else ())

    @property
    def tells_gone(self) -> bool:
        """Whether what is not there is gone: only a run without failures and limits saw everything."""
        return self.new.state == WHOLE and not self.new.reason

    def lines(self, *, marked: bool = True) -> Iterator[dict[str, Any]]:
        """What is new or changed, and what is gone if that is known; in one order.

        `marked` with `_change` and, for what has changed, `_before`; else without what is gone.
        """
        self.counts.clear()
        for old, new in self._pairs():
            if new is None:
                if old and self.old and marked and self.tells_gone:
                    yield self._line(self.old, old, "gone")
            elif old is None:
                yield self._line(self.new, new, "new" if marked else "")
            elif old.content != new.content:
                yield self._changed(old, new, marked=marked)

    def _pairs(self) -> Iterator[tuple[Print | None, Print | None]]:
        """The items of both runs, those that are the same one together."""
        olds, news = self._each(self.old), self._each(self.new, count=True)
        old, new = next(olds, None), next(news, None)
        while old or new:
            if new is None or (old and old.ident < new.ident):
                yield old, None
                old = next(olds, None)
            elif old is None or new.ident < old.ident:
                yield None, new
                new = next(news, None)
            else:
                yield old, new
                old, new = next(olds, None), next(news, None)

    def _each(self, run: Run | None, *, count: bool = False) -> Iterator[Print]:
        """The items of a run by what identifies them; of those with one key the first."""
        last = ""
        for row in self.results.rows(*self._query(run)) if run else ():
            found = Print(*row)
            if found.ident == last:
                self.counts["same_key"] += count
                continue
            last = found.ident
            self.counts["no_key"] += count and bool(self.key) and last.startswith(_BY_PLACE)
            yield found

    def _query(self, run: Run) -> tuple[str, Sequence[Any]]:
        """Both runs are read by one key, also where another one was kept."""
        known = self.results.version >= WITH_RUNS
        key = "key" if known and run.key == self.key else "item_key(data, ?2)"
        content = "coalesce(hash, content_hash(data))" if known else "content_hash(data)"
        words = [run.job, json.dumps(self.key)]
        return _PRINTS.format(key=key if self.key else "''", content=content), words

    def _changed(self, old: Print, new: Print, *, marked: bool) -> dict[str, Any]:
        line = self._line(self.new, new, "changed" if marked else "")
        if marked and self.old:
            line["_before"] = before(self._data(self.old, old), self._data(self.new, new))
        return line

    def _line(self, run: Run, item: Print, change: str) -> dict[str, Any]:
        self.counts[change] += 1
        line = {**self._data(run, item), "_url": item.url}
        return {**line, "_change": change} if change else line

    def _data(self, run: Run, item: Print) -> dict[str, Any]:
        ((data,),) = self.results.rows(_DATA, (run.job, item.url, item.position))
        found: dict[str, Any] = json.loads(data)
        return found

    def notes(self) -> Iterator[str]:
        """What people must know to read the lines rightly, in sentences; after `lines`."""
        if self.old is None:
            yield "there is no earlier run to compare with: every item is new"
        elif self.old.state != WHOLE:
            yield f"job {self.old.job} was {self.old.state}: what it missed is told as new"
        if not self.tells_gone:
            why = self.new.reason or "which is not done"
            yield f"what is gone is not told: job {self.new.job} is {self.new.state}, {why}"
        if not self.key:
            yield "an item is known by URL and position; `key` in [item] names what identifies it"
        if self.counts["no_key"]:
            yield f"items without the key, known by URL and position: {self.counts['no_key']}"
        if self.counts["same_key"]:
            yield f"items with the key of another one, left out: {self.counts['same_key']}"


def baseline(runs: Sequence[Run], new: Run, since: str | float | None = None) -> Run | None:
    """Choose the run that `new` is compared with: the last one before it that came to an end.

    `since` a point in time: the last one that had ended by then. A job: that one.

    >>> from sites.results.output import Run
    >>> runs = [Run("a", "done", 10.0), Run("b", "stopped", 20.0), Run("c", "done", 30.0)]
    >>> [getattr(baseline(runs, runs[2], since), "job", None) for since in (None, 5.0, 15.0, "b")]
    ['a', None, 'a', 'b']

    Raises:
        KeyError: of the job `since` nothing is here.
    """
    if isinstance(since, str):
        found = next((run for run in runs if run.job == since), None)
        if found is None:
            raise KeyError(since)
        return found
    until = float("inf") if since is None else since
    earlier = [
        run for run in runs if run.job < new.job and run.state in COMPARABLE and run.at <= until
    ]
    return earlier[-1] if earlier else None
