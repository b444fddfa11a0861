"""Tables that people look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Mapping

COLOURS = {
    "ready": "green",
    "starting": "yellow",
    "stopping": "yellow",
    "backoff": "yellow",
    "unhealthy": "red",
    "failed": "red",
    "stopped": "dim",
}


def services_table(status: Mapping[str, Any]) -> Table:
    """The services of `orch status`, with the pool and the sites in the last lines."""
    table = Table(title=f"orch · {status['home']}", title_justify="left", caption_justify="left")
    for name in ("service", "state", "pid", "for", "restarts", "memory", "probe"):
        table.add_column(name, justify="right" if name in {"pid", "restarts", "memory"} else "left")
    now = SYSTEM.wall()
    for row in status["services"]:
        memory = f"{row['rss_bytes'] / 1e6:.0f} MB" if row["rss_bytes"] else ""
        probe = row["probe"]
        told = (
            f"{probe['latency_ms']:g} ms" if probe["ok"] and probe["latency_ms"] is not None else ""
        )
        table.add_row(
            row["name"] + (" (not ours)" if row["external"] else ""),
            f"[{COLOURS[row['state']]}]{row['state']}[/]",
            str(row["pid"] or ""),
            duration.show(max(0.0, now - row["since"])),
            str(row["restarts"]),
            memory,
            told or probe["error"],
        )
    table.caption = "\n".join(_captions(status))
    return table


def _captions(status: Mapping[str, Any]) -> list[str]:
    proxies = status["proxies"]
    lines = [f"proxies: {proxies['usable']} usable of {proxies['live']} live"]
    for site in status["sites"]:
        if site["state"] in {"pending", "running", "stopping"}:
            done = f"{site['pages_done']}/{site['pages_known']} pages"
            lines.append(f"{site['site']}: {site['state']}, {done}, {site['items']} items")
    return lines
