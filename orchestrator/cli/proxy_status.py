"""What people see of the pool as a whole: `orch proxies status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from orchestrator.cli.console import out
from orchestrator.cli.proxy_tables import percent
from orchestrator.cli.source_tables import short
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

#: Of sites and refreshes so many are shown; `--json` has all.
SITES_SHOWN, REFRESHES_SHOWN = 20, 5
#: How long the longest bar of the histogram is, in columns, and what stands beside it.
LONGEST_BAR, BESIDE = 40, 26
#: On however narrow a terminal, so much of what is folded is on one line, in columns.
_SHORTEST = 8
_OF_SITES = ("picks", "success", "bans", "failed", "cooling", "now", "limit", "last")
#: What is shown of sites on a terminal with fewer columns than that.
_OF_SITES_IN_SHORT, _WIDTH_OF_SITES = ("picks", "success", "bans", "cooling"), 72
_STATUS = {"COMPLETE": "green", "PARTIAL": "yellow", "FAILED": "red"}


def show(found: Mapping[str, Any]) -> None:
    """Print all of it."""
    for part in _parts(found):
        out.print(part, markup=False)


def _parts(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield "\n".join(_facts(found))
    if found["refreshes"]:
        yield ""
        yield _refreshes(found["refreshes"])
    if found["usable"]:
        figures = found["latency_ms"]
        yield ""
        most = f"half within {figures['p50']} ms, 95 % within {figures['p95']} ms"
        yield f"latency of the usable ones: {most}"
        yield _histogram(found["latencies"])
    if found["sites"]:
        yield ""
        yield _sites(found["sites"])


def _facts(found: Mapping[str, Any]) -> Iterator[str]:
    at = found["refreshed_at"]
    when = f"refreshed {_ago(at)}" if at else "never refreshed"
    yield f"{found['usable']} usable of {found['live']} live, {when}"
    others = {name: count for name, count in found["states"].items() if name != "usable" and count}
    if others:
        yield f"  not usable  {_counts(others)}"
    if found["resting"]:
        yield f"  resting     {found['resting']} of the usable, after failures"
    if found["live"]:
        yield from _of_live(found)
    yield from _running(found["refresh"], found["refreshes"])
    if not found["live"]:
        yield "`orch proxies refresh` fills the pool"


def _of_live(found: Mapping[str, Any]) -> Iterator[str]:
    ages = found["checked"]
    oldest, newest = short(ages["oldest_s"]), short(ages["newest_s"])
    yield f"  anonymity   {_counts(found['anonymity'])}"
    yield f"  protocol    {_counts(found['protocols'])}"
    yield f"  TLS         {_counts(found['tls'])}"
    span = newest if newest == oldest else f"{newest} to {oldest}"
    yield f"  checked     {span} ago, which counts for {short(ages['fresh_for_s'])}"


def _counts(named: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in named.items())


def _running(
    refresh: Mapping[str, Any] | None, ended: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    if not refresh or any(row["job_id"] == refresh["job_id"] for row in ended):
        return
    chunks = f"{refresh['completed_chunks']} of {refresh['total_chunks']} chunks"
    left = f", {duration.show(refresh['eta_s'])} left" if refresh["eta_s"] else ""
    yield f"refresh {refresh['job_id']}: {refresh['status']}, {chunks}{left}"


def _refreshes(rows: Sequence[Mapping[str, Any]]) -> Table:
    numbers = ("candidates", "live", "usable", "took")
    table = _table("refreshed", "status", *numbers, "most frequent", right=numbers)
    for row in rows[:REFRESHES_SHOWN]:
        reasons = [f"{count} x {reason}" for reason, count in row["reasons"].items()]
        table.add_row(
            _ago(row["completed_at"]),
            Text(row["status"], style=_STATUS.get(row["status"], "")),
            *(str(row[name]) for name in ("candidates", "live", "usable")),
            "" if row["seconds"] is None else short(row["seconds"]),
            Text("; ".join(row["problems"]) or next(iter(reasons), "")),
        )
    return table


def _histogram(bars: Sequence[Mapping[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for side in ("right", "right", "left"):
        table.add_column(justify=side, no_wrap=True)
    counts = [bar["count"] for bar in bars]
    most, there = max(counts), [place for place, count in enumerate(counts) if count]
    drawn = out.is_terminal and not out.options.ascii_only
    width = max(1, min(LONGEST_BAR, out.width - BESIDE))
    for bar in bars[there[0] : there[-1] + 1]:
        end = "" if bar["to_ms"] is None else f" - {bar['to_ms']}"
        label = f"  {bar['from_ms']}{end} ms" if end else f"  above {bar['from_ms']} ms"
        table.add_row(label, str(bar["count"]), _bar(bar["count"], most, width, drawn=drawn))
    return table


def _bar(count: int, most: int, width: int, *, drawn: bool) -> RenderableType:
    if drawn:
        return Bar(most, 0, count, width=width, color="green")
    return "#" * -(-count * width // most)


def _sites(rows: Sequence[Mapping[str, Any]]) -> Table:
    numbers = _OF_SITES if out.width >= _WIDTH_OF_SITES else _OF_SITES_IN_SHORT
    table = _table("site", *numbers, right=numbers)
    for row in rows[:SITES_SHOWN]:
        cells = _site(row)
        table.add_row(Text(row["site"]), *(cells[name] for name in numbers))
    if len(rows) > SITES_SHOWN:
        table.add_row(f"and {len(rows) - SITES_SHOWN} more (--json has all)")
    return table


def _site(row: Mapping[str, Any]) -> dict[str, str]:
    limit = row["limit_per_min"]
    return {
        "picks": str(row["picks"]),
        "success": percent(row["success"]),
        "bans": str(row["banned"]),
        "failed": str(row["failed"]),
        "cooling": str(row["cooling"]),
        "now": str(row["in_flight"]),
        "limit": "" if limit is None else f"{limit:g}/min",
        "last": short(max(0.0, SYSTEM.wall() - row["picked_at"])),
    }


def _table(*names: str, right: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in names:
        folds = name in {"site", "most frequent"}
        side = "right" if name in right else "left"
        table.add_column(
            name,
            justify=side,  # type: ignore[arg-type]
            overflow="fold",
            no_wrap=not folds,
            min_width=_SHORTEST if folds else None,
        )
    return table


def _ago(at: float | None) -> str:
    return "" if at is None else f"{short(max(0.0, SYSTEM.wall() - at))} ago"
