"""What people see of the pool and its refreshes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from orchestrator.cli import source_tables
from orchestrator.cli.source_tables import short
from orchestrator.core.clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxies.refresh.outcome import RefreshOutcome

COLOURS = {
    "elite": "green",
    "anonymous": "cyan",
    "transparent": "red",
    "evicted": "red",
    "unchecked": "dim",
}
_NUMBERS = ("score", "ms", "success", "picks", "now", "bans")
#: From here on a score needs no digits behind the point.
_THREE_DIGITS = 100
#: On however narrow a terminal, so much of a proxy is on one line, in columns.
_SHORTEST = 16
_TLS = {
    True: "works, and the certificate is the judge's own",
    False: "does not work through it; it is honest with plain http",
    None: "not tried: no judge with https",
}


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
        return [f"  warning: {report['source']}: {source_tables.warning(report)}"]
    bad = source_tables.bad_lines(report)
    return [f"  {report['source']}: {bad}"] if bad else []


def pool(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The proxies of the pool."""
    table = _table("proxy", "score", "state", "leaves from", "ms", "checked")
    for row in rows:
        checked = row["checked_at"]
        table.add_row(
            Text(row["proxy"]),
            _score(row),
            _state(row),
            row["exit_ip"],
            str(row["latency_ms"]) if checked else "",
            short(max(0.0, SYSTEM.wall() - checked)) if checked else "never",
        )
    return table


def at_site(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The proxies of the pool, as they do at a site."""
    table = _table("proxy", "score", "state", "success", "picks", "now", "bans")
    for row in rows:
        table.add_row(
            Text(row["proxy"]),
            _score(row),
            _state(row),
            percent(row["success"]),
            *(str(row[name] or "") for name in ("picks", "in_flight", "bans")),
        )
    return table


def verdict(found: Mapping[str, Any]) -> str:
    """What a check found, in a few lines."""
    if not found["live"]:
        return f"{found['proxy']}: not usable: {found['reason']}"
    word = "usable" if found["usable"] else f"not usable: {found['reason']}"
    tunnels = " (listed as http, but only makes tunnels)" if _only_tunnels(found) else ""
    return "\n".join(
        (
            f"{found['proxy']}: {word}",
            f"  protocol     {found['protocol']}{tunnels}",
            f"  anonymity    {found['anonymity']}",
            f"  leaves from  {found['exit_ip']}",
            f"  latency      {found['latency_ms']} ms",
            f"  TLS          {_TLS[found['tls']]}",
        )
    )


def percent(part: float | None) -> str:
    """A part as people read it; "" for none."""
    return "" if part is None else f"{100 * part:.0f} %"


def _only_tunnels(found: Mapping[str, Any]) -> bool:
    return bool(found["listed_as"] != found["protocol"])


def _table(*names: str) -> Table:
    """With as many columns as fit; what is too long is folded."""
    table = Table(box=None, pad_edge=False)
    for name in names:
        folds = name in {"proxy", "leaves from"}
        table.add_column(
            name,
            justify="right" if name in _NUMBERS else "left",
            overflow="fold",
            no_wrap=not folds,
            min_width=_SHORTEST if name == "proxy" else None,
        )
    return table


def _score(row: Mapping[str, Any]) -> str:
    return f"{row['score']:.3g}" if row["score"] < _THREE_DIGITS else f"{row['score']:.0f}"


def _state(row: Mapping[str, Any]) -> Text:
    """Of one that can be picked how well it hides us; else why not, and how long that takes."""
    state = row["anonymity"] if row["state"] == "usable" else row["state"]
    waits = {"resting": row["rest_s"], "cooling": row.get("cooldown_s", 0.0)}.get(state)
    told = f" {short(waits)}" if waits else ""
    return Text(f"{state}{told}", style=COLOURS.get(state, "yellow"))
