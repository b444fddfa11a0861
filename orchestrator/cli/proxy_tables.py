"""What people see of the pool and its refreshes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxies.outcome import RefreshOutcome

COLOURS = {"elite": "green", "anonymous": "cyan", "transparent": "red"}


def outcome(found: RefreshOutcome) -> str:
    """How a refresh ended, and what is to be known about its sources."""
    if not found.status.final:
        return f"refresh {found.job_id} is on its way; `orch proxies status` shows how far it is"
    counts = f"{found.usable} usable, {found.live} live of {found.candidates} candidates"
    lines = [f"{found.status}: {counts}"]
    lines += [f"  problem: {problem}" for problem in found.problems]
    lines += [f"  {count} x {reason}" for reason, count in found.reasons.items()]
    for source in found.sources:
        lines += _source(source)
    if not found.candidates and found.status == "COMPLETE":
        lines.append("  nothing to check: name lists in proxies.sources, or `orch proxies add`")
    return "\n".join(lines)


def _source(report: Mapping[str, Any]) -> list[str]:
    if report["error"]:
        return [f"  warning: {report['source']}: {report['error']}"]
    if not report["bad_lines"]:
        return []
    named = "; ".join(report["first_bad"])
    more = report["bad_lines"] - len(report["first_bad"])
    rest = f"; and {more} more" if more > 0 else ""
    return [f"  {report['source']}: {report['bad_lines']} bad lines ({named}{rest})"]


def status(found: Mapping[str, Any]) -> str:
    """The counts of the pool, and its newest refresh."""
    at = found["refreshed_at"]
    when = f"refreshed {_ago(at)}" if at else "never refreshed"
    lines = [f"{found['usable']} usable of {found['live']} live, {when}"]
    refresh = found["refresh"]
    if refresh:
        chunks = f"{refresh['completed_chunks']} of {refresh['total_chunks']} chunks"
        eta = refresh["eta_s"]
        left = f", {duration.show(eta)} left" if eta else ""
        lines.append(f"refresh {refresh['job_id']}: {refresh['status']}, {chunks}{left}")
    return "\n".join(lines)


def pool(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The proxies of the pool."""
    table = Table()
    for name in ("proxy", "state", "anonymity", "leaves from", "latency", "checked"):
        table.add_column(name, justify="right" if name == "latency" else "left", overflow="fold")
    for row in rows:
        colour = COLOURS.get(row["anonymity"], "dim")
        table.add_row(
            escape(row["proxy"]),
            row["state"],
            f"[{colour}]{row['anonymity']}[/]",
            row["exit_ip"],
            f"{row['latency_ms']} ms" if row["checked_at"] else "",
            _ago(row["checked_at"]) if row["checked_at"] else "never",
        )
    return table


def _ago(at: float) -> str:
    return f"{duration.show(max(0.0, SYSTEM.wall() - at))} ago"
