"""Tables of sites and their jobs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orchestrator.cli.gate_tables import per_second
from orchestrator.cli.moment import local
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM
from sites.jobs.totals import totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sites.definition.definition import Definition
    from sites.definition.registry import Entry

COLOURS = {
    "pending": "yellow",
    "running": "cyan",
    "stopping": "yellow",
    "done": "green",
    "partial": "yellow",
    "failed": "red",
    "stopped": "dim",
}


def jobs(rows: Sequence[Mapping[str, Any]], told: str = "") -> Group:
    """The rows of `orch sites status`, of several sites their sum, and below what else there is to say."""
    table = Table()
    for name in ("site", "state"):
        table.add_column(name, overflow="fold")
    for name in ("pages", "failed", "items", "rate", "left"):
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(escape(row["site"]), _state(row), *_counts(row))
    notes = [f"{row['site']}: {text}" for row in rows if (text := note(row))]
    if len(rows) > 1:
        whole = totals(rows)
        table.add_section()
        table.add_row("all", f"{whole['active']} active", *_counts(whole))
        notes += [f"all: {text}" for text in [", ".join(_odd(whole))] if text]
    # Below, where there is room on any terminal: reasons are sentences, with commands to type.
    return Group(table, *map(Text, filter(None, [*notes, told])))


def _state(row: Mapping[str, Any]) -> str:
    return f"[{COLOURS[row['state']]}]{row['state']}[/]"


def _counts(row: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['pages_done']}/{row['pages_known']}",
        *(str(row[name]) for name in ("pages_failed", "items")),
        f"{row['rate_per_s']:g}/s",
        left(row),
    ]


def _odd(row: Mapping[str, Any]) -> list[str]:
    """Counts that are mostly none."""
    names = ("blocked", "skipped", "unchanged")
    return [f"{row[f'pages_{name}']} {name}" for name in names if row[f"pages_{name}"]]


def note(row: Mapping[str, Any]) -> str:
    """What else there is to say of a job."""
    parts = ["stalled" if row["health"] == "stalled" else "", *_odd(row)]
    if row["breaker"] != "closed":
        parts.append(f"breaker {row['breaker']}")
    if row["rate_set_per_s"]:
        parts.append(f"rate set to {per_second(row['rate_set_per_s'])}")
    return ", ".join(part for part in (*parts, row["reason"] or row["error"]) if part)


def line(row: Mapping[str, Any]) -> str:
    """One job as one line of plain text."""
    parts = [
        f"{row['pages_done']}/{row['pages_known']} pages",
        f"{row['items']} items",
        f"{row['rate_per_s']:g}/s",
    ]
    failed = [f"{row['pages_failed']} failed"] if row["pages_failed"] else []
    parts[1:1] = [*failed, *_odd(row)]
    if row["eta_s"] is not None:
        parts.append(f"{left(row)} left")
    if row["reason"]:
        parts.append(row["reason"])
    state = f"{row['state']}, stalled" if row["health"] == "stalled" else row["state"]
    return f"{row['site']}: {state}, {', '.join(parts)}"


def without_numbers(row: Mapping[str, Any]) -> str:
    """What a row says, but how long something lasts by now, or still will: that is no news."""
    return re.sub(r"\d+(\.\d+)?", "", f"{row['state']} {row['health']} {row['reason']}")


def whole(rows: Sequence[Mapping[str, Any]]) -> str:
    """All jobs together as one line of plain text."""
    found = totals(rows)
    state = f"{found['active']} of {found['sites']} active"
    return line({**found, "site": "all", "state": state, "health": "ok", "reason": ""})


def left(row: Mapping[str, Any]) -> str:
    """How long a job will still take."""
    return duration.show(row["eta_s"]) if row["eta_s"] is not None else ""


def sites(found: Mapping[str, Entry]) -> Table:
    """The sites there are."""
    table = Table()
    for name in ("site", "starts at", "rate", "at once", "proxies", "next run", "file"):
        table.add_column(name, overflow="fold")
    for name, entry in found.items():
        site = entry.definition
        table.add_row(
            *(name, escape(site.start_urls[0]), f"{site.rate:g}/s", str(site.concurrency)),
            *(site.proxies, _next_run(site)),
            "shipped" if entry.shipped else f"sites/{escape(entry.path.name)}",
        )
    return table


def _next_run(site: Definition) -> str:
    """By its schedule, or after what else it starts."""
    at = site.next_run(SYSTEM.wall())
    after = f"after {', '.join(site.needs)}" if site.needs else ""
    return ", ".join(filter(None, ["" if at is None else local(at), after]))


def as_json(found: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """The sites there are, for programs."""
    return [
        {
            "site": name,
            "file": str(entry.path),
            "shipped": entry.shipped,
            "start_urls": list(entry.definition.start_urls),
            "proxies": entry.definition.proxies,
            "schedule": entry.definition.schedule,
            "needs": list(entry.definition.needs),
            "next_run_at": entry.definition.next_run(SYSTEM.wall()),
        }
        for name, entry in found.items()
    ]


def facts(shown: Mapping[str, Any]) -> str:
    """A definition and its newest job, line by line."""
    lines = [f"file: {shown['file']}"]
    for name, value in shown["definition"].items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        lines.append(f"{name}: {text}")
    return "\n".join([*lines, *([line(shown["job"])] if shown["job"] else [])])


def failures(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Pages that failed, or with items that lacked something."""
    table = Table()
    for name in ("page", "class", "what happened", "attempts", "proxy"):
        table.add_column(name, overflow="fold")
    for row in rows:
        lacking = ", ".join(
            f"{count} items without {name}" for name, count in row["missing"].items()
        )
        told = escape(row["reason"] or lacking)
        facts = (row["kind"], told, str(row["attempts"]), escape(row["proxy"]))
        table.add_row(escape(row["url"]), *facts)
    return table
