"""`orch sites failures`, `retry-failed`: the pages that gave nothing, and another try with them."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from orchestrator.cli import site_tables, sites_local
from orchestrator.cli.console import emit_json, out, session
from orchestrator.cli.site_progress import by_class, follow, told
from orchestrator.cli.sites_local import Local  # noqa: TC001 (typer reads it)

#: So many pages are shown; `--json` has all.
SHOWN = 200

Site = Annotated[str, typer.Argument(help="The name of a site; `orch sites list` shows them.")]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class", metavar="CLASS", help="Only of this class of failure (timeout); repeatable."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("failures")(failures)
    app.command("retry-failed")(retry_failed)


def failures(
    site: Site,
    job: Annotated[str | None, typer.Option(help="A job's id; the newest by default.")] = None,
    classes: Classes = None,
    json: Json = False,
) -> None:
    """List the pages that failed, with the reasons, and those with items that lack something.

    --class also lists pages of that class that were skipped (gone, not_text).
    """
    with session() as orch:
        rows = orch.sites.failures(site, job, classes or ())
    if json:
        emit_json(rows)
        return
    if not rows:
        out.print("no page failed, and none lacked anything" if not classes else "there is none")
        return
    out.print(site_tables.failures(rows[:SHOWN]))
    counts = Counter(row["kind"] or "lacks something" for row in rows)
    out.print(by_class(counts), markup=False)
    if len(rows) > SHOWN:
        out.print(f"the first {SHOWN} are shown; --json has all", markup=False)


def retry_failed(
    site: Site,
    classes: Classes = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON value on standard output; does not follow.")
    ] = False,
    local: Local = False,
) -> None:
    """Fetch the failed pages of the newest job again: just these, their attempts from the start.

    --class: only those, also if they were skipped. What a stopped job has left is done, too. With
    --local: of a job that was crawled so.
    """
    with session() as orch:
        if local:
            raise typer.Exit(
                sites_local.retry(orch, site, classes or (), dry_run=dry_run, json=json, wait=wait)
            )
        sites_local.need_shared(orch, "retry-failed", site, ended=True)
        job, counts = orch.sites.retry_failed(site, classes or (), dry_run=dry_run)
        if told(job, counts, dry_run=dry_run, json=json) and not json:
            raise typer.Exit(follow(orch, [site], lambda _: job, wait=wait))
