"""Tables that people look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

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
    "done": "green",
}


def services_table(status: Mapping[str, Any], *, whole: bool = True) -> Table:
    """The services of `orch status`; when it is the `whole`, with pool and sites in the last lines."""
    title = Text(f"orch · {status['home']}", style="italic")
    table = Table(title=title, title_justify="left", caption_justify="left")
    for name in ("service", "state", "pid", "for", "restarts", "memory", "probe"):
        right = name in {"pid", "restarts", "memory"}
        table.add_column(name, justify="right" if right else "left", overflow="fold")
    now = SYSTEM.wall()
    for row in status["services"]:
        table.add_row(
            row["name"] + whose(row),
            Text(standing(row), style=COLOURS.get(standing(row), "")),
            str(row["pid"] or ""),
            duration.show(max(0.0, now - row["since"])),
            str(row["restarts"]),
            _memory(row),
            Text(_probe(row)),
        )
    if whole:
        table.caption = Text("\n".join(_captions(status)))
    return table


def standing(row: Mapping[str, Any]) -> str:
    """Its state; one that has done what it is for is no longer called stopped."""
    return "done" if row.get("done") else str(row["state"])


def _memory(row: Mapping[str, Any]) -> str:
    """With all its children, if that has been measured."""
    used = row.get("memory_bytes") or row["rss_bytes"]
    return f"{used / 1e6:.0f} MB" if used else ""


def whose(row: Mapping[str, Any]) -> str:
    """What is to be said of a service that this supervisor did not start."""
    if row["external"]:
        return " (not ours)"
    return " (adopted)" if row["adopted"] else ""


def reason(row: Mapping[str, Any]) -> str:
    """Why it is not ready, on one line; nothing for one that is ready, or shall not run."""
    if row.get("done") and row["state"] == "stopped":
        return f"exit code {row['last_exit']}"
    if row["state"] in {"ready", "stopped", "stopping"}:
        return ""
    return " ".join(str(row["probe"]["error"]).split())


def _probe(row: Mapping[str, Any]) -> str:
    latency = row["probe"]["latency_ms"]
    if row["state"] == "ready" and latency is not None:
        return f"{latency:.0f} ms" if latency >= 1 else f"{latency:.1f} ms"
    return reason(row)


def _captions(status: Mapping[str, Any]) -> list[str]:
    proxies = status["proxies"]
    lines = [f"proxies: {proxies['usable']} usable of {proxies['live']} live"]
    for site in status["sites"]:
        if site["state"] in {"pending", "running", "stopping"}:
            done = f"{site['pages_done']}/{site['pages_known']} pages"
            why = f", {site['reason']}" if site.get("reason") else ""
            lines.append(f"{site['site']}: {site['state']}, {done}, {site['items']} items{why}")
    return lines
