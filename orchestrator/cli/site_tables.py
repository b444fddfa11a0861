"""Tables of sites and their jobs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from orchestrator.core import duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sites.registry import Entry

COLOURS = {
    "pending": "yellow",
    "running": "cyan",
    "stopping": "yellow",
    "done": "green",
    "partial": "yellow",
    "failed": "red",
    "stopped": "dim",
}


def jobs(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The rows of `orch sites status`."""
    table = Table()
    for name in ("site", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("pages", "failed", "items", "rate", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("note")
    for row in rows:
        table.add_row(
            *(row["site"], f"[{COLOURS[row['state']]}]{row['state']}[/]"),
            f"{row['pages_done']}/{row['pages_known']}",
            *(str(row["pages_failed"]), str(row["items"])),
            f"{row['rate_per_s']:g}/s",
            left(row),
            escape(note(row)),
        )
    return table


def note(row: Mapping[str, Any]) -> str:
    """What else there is to say of a job."""
    parts = [row["reason"] or row["error"]]
    if row["breaker"] != "closed":
        parts.append(f"breaker {row['breaker']}")
    if row["pages_skipped"]:
        parts.append(f"{row['pages_skipped']} skipped")
    return ", ".join(part for part in parts if part)


def line(row: Mapping[str, Any]) -> str:
    """One job as one line of plain text."""
    parts = [
        f"{row['pages_done']}/{row['pages_known']} pages",
        f"{row['items']} items",
        f"{row['rate_per_s']:g}/s",
    ]
    parts[1:1] = [
        f"{row[f'pages_{name}']} {name}" for name in ("failed", "skipped") if row[f"pages_{name}"]
    ]
    if row["eta_s"] is not None:
        parts.append(f"{left(row)} left")
    if row["reason"]:
        parts.append(row["reason"])
    return f"{row['site']}: {row['state']}, {', '.join(parts)}"


def left(row: Mapping[str, Any]) -> str:
    """How long a job will still take."""
    return duration.show(row["eta_s"]) if row["eta_s"] is not None else ""


def sites(found: Mapping[str, Entry]) -> Table:
    """The sites there are."""
    table = Table()
    for name in ("site", "starts at", "rate", "at once", "proxies", "file"):
        table.add_column(name, overflow="fold")
    for name, entry in found.items():
        site = entry.definition
        table.add_row(
            *(name, escape(site.start_urls[0]), f"{site.rate:g}/s", str(site.concurrency)),
            *(site.proxies, "shipped" if entry.shipped else f"sites/{escape(entry.path.name)}"),
        )
    return table


def as_json(found: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """The sites there are, for programs."""
    return [
        {
            "site": name,
            "file": str(entry.path),
            "shipped": entry.shipped,
            "start_urls": list(entry.definition.start_urls),
            "proxies": entry.definition.proxies,
        }
        for name, entry in found.items()
    ]


def facts(shown: Mapping[str, Any]) -> str:
    """A definition and its newest job, line by line."""
    lines = [f"file: {shown['file']}"]
    for name, value in shown["definition"].items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(f"{name}: {text}")
    lines.append(line(shown["job"]) if shown["job"] else "no job yet")
    return "\n".join(lines)


def failures(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Pages that failed, or with items that lacked something."""
    table = Table()
    for name in ("page", "what happened", "attempts"):
        table.add_column(name, overflow="fold")
    for row in rows:
        lacking = ", ".join(
            f"{count} items without {name}" for name, count in row["missing"].items()
        )
        table.add_row(escape(row["url"]), escape(row["reason"] or lacking), str(row["attempts"]))
    return table
