"""`orch sites gate --watch`: a table on a terminal, elsewhere a line for every change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.cli import gate_tables as tables
from orchestrator.cli import moment, outlet
from orchestrator.cli.console import err, out
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import RedisUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.gate.picture import GateView

T = TypeVar("T")

LOOK_EVERY_S = 0.5
COLOURS = {"open": "red", "half-open": "yellow"}


def watch(look: Callable[[], list[GateView]], *, whole: bool, as_json: bool) -> None:
    """Look again and again, also while Redis is away, until Ctrl+C or until nobody reads.

    `whole`: all about the one gate that there is, on a terminal. With `as_json` each change is one object.

    Raises:
        RedisUnavailable: it does not answer the first time.
    """
    looks = follow(look)
    if out.is_terminal and not as_json:
        first, _ = next(looks)
        with Live(_drawn(first, "", whole=whole), console=out, refresh_per_second=4) as live:
            for views, trouble in looks:
                live.update(_drawn(views, trouble, whole=whole))
        return
    seen: dict[str, object] = {}
    said = ""
    for views, trouble in looks:
        if trouble != said:
            err.print(trouble or "Redis answers again", markup=False)
        said = trouble
        for view in views:
            if seen.get(view["site"]) != tables.changes(view):
                out.file.write((json.dumps(view) if as_json else _line(view)) + "\n")
            seen[view["site"]] = tables.changes(view)
        out.file.flush()


def table(views: Sequence[GateView]) -> Table:
    """All gates, on a terminal."""
    heading, *rows = tables.rows(views)
    found = Table()
    for name in heading:
        found.add_column(name, no_wrap=name != "note", overflow="fold")
    for view, row in zip(views, rows, strict=True):
        style = COLOURS.get(view["breaker"]["state"], "")
        found.add_row(*(Text(cell, style if place == 1 else "") for place, cell in enumerate(row)))
    return found


def follow(look: Callable[[], list[T]]) -> Iterator[tuple[list[T], str]]:
    """How all stand, and what is wrong: then they are as they were last seen."""
    views = look()
    trouble = ""
    while True:
        yield views, trouble
        outlet.pause(LOOK_EVERY_S)
        try:
            views, trouble = look(), ""
        except RedisUnavailable as error:
            trouble = f"{error}; {error.hint}" if error.hint else str(error)


def _drawn(views: Sequence[GateView], trouble: str, *, whole: bool) -> Table | Text:
    if whole:
        return Text("\n".join([tables.facts(views[0]), *([trouble] if trouble else [])]))
    found = table(views)
    found.caption, found.caption_justify = Text(trouble), "left"
    return found


def _line(view: GateView) -> str:
    return f"{moment.local(SYSTEM.wall())}  {tables.line(view)}"
