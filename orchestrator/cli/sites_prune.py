"""`orch sites prune`: deletes the results of old runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.console import emit_json, out, session
from orchestrator.cli.moment import local
from orchestrator.cli.queue_tables import number
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import ConfigError
from sites.results.output import Results
from sites.results.retention import Keep, Pruning, counted, doom, files, rewrite

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.facade import Orchestrator

OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", metavar="DURATION", help="Only runs that ended so long ago: 30d."),
]
Runs = Annotated[
    int | None,
    typer.Option("--keep", min=1, help="The last N of each site stay (1, or [sites] keep_runs)."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("prune")(prune)


def prune(
    sites: Annotated[
        list[str] | None, typer.Argument(help="Names of sites; all by default.")
    ] = None,
    older_than: OlderThan = None,
    keep: Runs = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON value on standard output.")
    ] = False,
) -> None:
    """Delete the results of old runs, and let the files shrink. Needs no running service.

    The newest run of a site always stays. Without --older-than all but the last N go, as the service
    `results` does by itself.
    """
    with session() as orch:
        rule = _rule(orch, older_than, keep)
        chosen = _chosen(orch, sites or [])
        rows = [row for site, path in chosen for row in _prune(site, path, rule, dry_run=dry_run)]
    if json:
        emit_json({"runs": rows, "dry_run": dry_run})
        return
    for row in rows:
        told = f"job {row['job']} ({row['state']}, {local(row['at'])})"
        there = f"{number(row['pages'], 'page')}, {number(row['items'], 'item')}"
        out.print(f"{row['site']}: {told}, {there}", markup=False)
    told = "would be deleted" if dry_run else "deleted"
    out.print(f"{told}: {number(len(rows), 'run')}", markup=False)


def _rule(orch: Orchestrator, older_than: str | None, keep: int | None) -> Keep:
    if older_than is None:
        return Keep(keep or orch.context.settings.sites.keep_runs)
    try:
        return Keep(keep or 1, duration.parse(older_than))
    except ValueError as error:
        raise ConfigError((f"--older-than {error}",)) from None


def _chosen(orch: Orchestrator, sites: list[str]) -> list[tuple[str, Path]]:
    there = dict(files(orch.context.home))
    wrong = [site for site in sites if site not in there]
    if wrong:
        known = f"there is something of {', '.join(there)}" if there else "nor of another site"
        problems = tuple(f"{site}: nothing was scraped; {known}" for site in wrong)
        raise ConfigError(problems)
    return [(site, there[site]) for site in dict.fromkeys(sites or there)]


def _prune(site: str, path: Path, rule: Keep, *, dry_run: bool) -> list[dict[str, Any]]:
    with Results(path, write=not dry_run) as results:
        now = SYSTEM.wall()
        gone = rule.doomed(results.runs(), now) if dry_run else doom(results, rule, now)
        rows = [{"site": site, **counted(results, run)} for run in gone]
        if not dry_run:
            for _ in Pruning(results).steps:
                pass
            rewrite(results)
    return rows
