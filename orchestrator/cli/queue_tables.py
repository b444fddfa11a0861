"""What people see of a queue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from orchestrator.cli.console import out
from orchestrator.core import duration
from orchestrator.queue.model import QueueState

if TYPE_CHECKING:
    from rich.console import JustifyMethod

    from orchestrator.queue.model import Stats

COLOURS = {
    "queued": "cyan",
    "in progress": "yellow",
    "done": "green",
    "skipped": "dim",
    "error": "red",
}
STATES = list(QueueState)
#: Keys that `stats` shows; `--json` has all.
KEYS = 20
#: Columns that are cut when a terminal is too narrow: of the room for all of them each has such parts.
CUT = {"id": 3, "key": 1, "host": 1, "worker": 1, "reason": 3}
LEAST = 5
NUMBERS = frozenset({*COLOURS, "prio", "tries"})


def stats_as_json(stats: Stats) -> dict[str, Any]:
    """The contract of `stats --json`."""
    names = ("queued", "delayed", "in_progress", "done", "skipped", "error", "total")
    return {
        **{name: getattr(stats, name) for name in names},
        "oldest_queued_s": stats.oldest_queued_s,
        "expired_leases": stats.expired_leases,
        "by_key": {key: dict(states) for key, states in stats.by_key.items()},
    }


def stats_table(stats: Stats, title: str) -> Table:
    """All jobs by state, then by key, on a terminal."""
    table = Table(title=Text(title, style="italic"), title_justify="left", caption_justify="left")
    heading, *rows = stats_rows(stats)
    for name in heading:
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    table.caption = Text("\n".join(stats_notes(stats)))
    return table


def stats_rows(stats: Stats) -> list[list[str]]:
    """A heading, the sum of all, and the keys that have the most jobs."""
    counts = [f"{getattr(stats, state):,}" for state in STATES]
    heading = ["key", *(state.replace("_", " ") for state in STATES)]
    rows = [heading, ["all", *counts]]
    for key in _largest(stats):
        found = stats.by_key[key]
        rows.append([printable(key), *(f"{found.get(state, 0):,}" for state in STATES)])
    return rows


def counts(stats: Stats) -> str:
    """The jobs by state, on one line."""
    delayed = f" ({stats.delayed:,} delayed)" if stats.delayed else ""
    told = {state: f"{getattr(stats, state):,} {state.replace('_', ' ')}" for state in STATES}
    told[QueueState.QUEUED] += delayed
    return ", ".join(told.values())


def stats_notes(stats: Stats) -> list[str]:
    """What else there is to say."""
    notes = []
    if stats.delayed:
        wait = "waits for its time" if stats.delayed == 1 else "wait for their time"
        notes.append(f"{stats.delayed:,} of the queued ones {wait}")
    if stats.oldest_queued_s is not None:
        notes.append(f"the oldest has been ready for {duration.show(stats.oldest_queued_s)}")
    if stats.expired_leases:
        leases = number(stats.expired_leases, "lease")
        notes.append(f"{leases} ran out; a runner takes the jobs back")
    if len(stats.by_key) > KEYS:
        notes.append(f"and {number(len(stats.by_key) - KEYS, 'more key')} (--json has all)")
    return notes


def _largest(stats: Stats) -> list[str]:
    live = (QueueState.QUEUED, QueueState.IN_PROGRESS)

    def size(key: str) -> tuple[int, int, str]:
        found = stats.by_key[key]
        return -sum(found.get(state, 0) for state in live), -sum(found.values()), key

    return sorted(stats.by_key, key=size)[:KEYS]


def print_rows(rows: list[list[str]]) -> None:
    """A table that is cut to the terminal; elsewhere whole lines, columns under each other."""
    heading, *rest = rows
    if not out.is_terminal:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            sys.stdout.write("  ".join(map(str.ljust, row, widths)).rstrip() + "\n")
        return
    table = Table()
    for name, most in zip(heading, _widths(rows, out.width), strict=True):
        justify: JustifyMethod = "right" if name in NUMBERS else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", max_width=most)
    for row in rest:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    out.print(table)


def _widths(rows: list[list[str]], width: int) -> list[int]:
    """How wide each column may be: those that can be cut share what the others leave."""
    found = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    parts = {place: CUT[name] for place, name in enumerate(rows[0]) if name in CUT}
    borders = 3 * len(found) + 1
    room = width - borders - sum(most for place, most in enumerate(found) if place not in parts)
    for place in sorted(parts, key=lambda place: found[place] / parts[place]):
        share = room * parts[place] // sum(parts.values())
        found[place] = min(found[place], max(LEAST, share))
        room -= found[place]
        del parts[place]
    return found


def number(count: int, what: str) -> str:
    """So many of them.

    >>> number(1, "job"), number(2000, "job")
    ('1 job', '2,000 jobs')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def printable(text: str) -> str:
    r"""One line that does a terminal no harm.

    >>> printable("a\n  b\x1b[2J")
    'a b [2J'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
