"""What people see of the sources of proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NUMBERS = ("proxies", "live", "hit rate", "only here")
_UNITS = (("days", 86_400.0), ("h", 3600.0), ("min", 60.0))
#: A list that has not changed for so long is likely a dead one, in seconds.
_OLD_S = 7 * 86_400.0


def sources(rows: Sequence[Mapping[str, Any]]) -> Table:
    """One line for each: what it named, what of that was live, and how old it is."""
    table = Table(box=None, pad_edge=False)
    for name in ("source", *_NUMBERS, "read", "changed", "state"):
        folds = name in {"source", "state"}
        right = name in _NUMBERS
        table.add_column(
            name, justify="right" if right else "left", overflow="fold", no_wrap=not folds
        )
    for row in rows:
        table.add_row(
            Text(row["source"]),
            _number(row["candidates"]),
            _number(row["live"]),
            "" if row["hit_rate"] is None else f"{100 * row['hit_rate']:.1f} %",
            _number(row["alone"]),
            "" if row["read_s"] is None else f"{short(row['read_s'])} ago",
            _changed(row["changed_at"]),
            _state(row),
        )
    return table


def notes(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each source that there is more to be said of."""
    return "".join(f"{row['source']}: {note}\n" for row in rows for note in _noted(row))


def warning(report: Mapping[str, Any]) -> str:
    """Why a source failed, and what counts instead."""
    kept_s = report.get("kept_s")
    instead = "" if kept_s is None else f"; its list of {short(kept_s)} ago counts"
    return f"{report['error']}{instead}"


def bad_lines(report: Mapping[str, Any]) -> str:
    """How many lines name no proxy, and the first of them; "" when all do."""
    if not report["bad_lines"]:
        return ""
    named = "; ".join(report["first_bad"])
    more = report["bad_lines"] - len(report["first_bad"])
    rest = f"; and {more} more" if more > 0 else ""
    return f"{report['bad_lines']} bad lines ({named}{rest})"


def _noted(row: Mapping[str, Any]) -> list[str]:
    told = [warning(row)] if row["error"] else []
    return told + ([bad_lines(row)] if row["bad_lines"] else [])


def _state(row: Mapping[str, Any]) -> Text:
    if row["read_s"] is None:
        return Text("" if row["kind"] == "added" else "never read", style="dim")
    if row["kept_s"] is not None:
        return Text(f"fails; list of {short(row['kept_s'])} ago", style="yellow")
    if row["error"]:
        return Text("fails", style="red")
    return Text("unchanged" if row["unchanged"] else "ok", style="green")


def _changed(at: float | None) -> Text:
    if at is None:
        return Text("")
    age = max(0.0, SYSTEM.wall() - at)
    return Text(f"{short(age)} ago", style="yellow" if age > _OLD_S else "")


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def short(seconds: float) -> str:
    """One number and its unit."""
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
