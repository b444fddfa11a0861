"""`orch queue stats`, once or with `--watch`: a table on a terminal, lines elsewhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.live import Live

from orchestrator.cli import moment, outlet
from orchestrator.cli import queue_tables as tables
from orchestrator.cli.console import out
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.cli.queue_place import Place
    from orchestrator.queue.model import Stats
    from orchestrator.queue.work import WorkQueue

LOOK_EVERY_S = 0.5


def print_stats(stats: Stats, name: str) -> None:
    """Print how many jobs stand where."""
    if out.is_terminal:
        out.print(tables.stats_table(stats, f"queue · {name}"))
        return
    tables.print_rows(tables.stats_rows(stats))
    for note in tables.stats_notes(stats):
        out.print(note, markup=False)


def watch(work: WorkQueue, place: Place, *, as_json: bool) -> None:
    """On a terminal a live table; else a line for every change, or with `as_json` an object.

    Raises:
        Unavailable: the queue's file was removed.
    """
    if out.is_terminal and not as_json:
        title = f"queue · {place}"
        looks = _looks(work, place)
        first = tables.stats_table(next(looks), title)
        with Live(first, console=out, refresh_per_second=4) as live:
            for stats in looks:
                live.update(tables.stats_table(stats, title))
        return
    seen = ""
    for stats in _looks(work, place):
        now = _facts(stats)
        if now != seen:
            out.file.write((_object(stats) if as_json else _line(stats)) + "\n")
            out.file.flush()
        seen = now


def _looks(work: WorkQueue, place: Place) -> Iterator[Stats]:
    while True:
        if place.gone:
            raise Unavailable(f"the queue in {place} was removed")
        yield work.stats()
        outlet.pause(LOOK_EVERY_S)


def _facts(stats: Stats) -> str:
    """What must change to be worth a line: not how long the oldest has waited."""
    found = tables.stats_as_json(stats)
    del found["oldest_queued_s"]
    return json.dumps(found)


def _object(stats: Stats) -> str:
    return json.dumps(tables.stats_as_json(stats))


def _line(stats: Stats) -> str:
    return f"{moment.local(SYSTEM.wall())}  {tables.counts(stats)}"
