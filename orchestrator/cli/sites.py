"""`orch sites`: scrape jobs, one for each site."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import site_tables
from orchestrator.cli.console import emit_json, err, out, session
from orchestrator.cli.proxy_progress import shown
from orchestrator.cli.site_progress import follow
from orchestrator.core.errors import ConfigError, OrchError
from sites.export import export as write_items
from sites.export import replacing
from sites.registry import read as read_site

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.facade import Orchestrator
    from sites.jobs import Job

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Site = Annotated[str, typer.Argument(help="The name of a site; `orch sites list` shows them.")]
Sites = Annotated[list[str] | None, typer.Argument(help="Names of sites.")]


@app.command()
def start(
    sites: Sites = None,
    everything: Annotated[bool, typer.Option("--all", help="Every site there is.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the jobs to their ends.")] = True,
) -> None:
    """Start jobs and follow them. A job that runs already goes on. Ctrl+C stops what was started."""
    with session() as orch:
        names = _every_site(orch) if everything else list(dict.fromkeys(sites or ()))
        if not names:
            raise ConfigError(("name a site, or say --all",), hint="`orch sites list` shows them")
        for name in names:
            orch.sites.definition(name)  # every mistake before the first start
        raise typer.Exit(follow(orch, names, _showing(orch.start_site_scraper), wait=wait))


@app.command()
def resume(
    site: Site,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
) -> None:
    """Let a stopped job go on with what is left."""
    with session() as orch:
        raise typer.Exit(follow(orch, [site], _showing(orch.resume_site_scraper), wait=wait))


@app.command()
def stop(sites: Sites = None) -> None:
    """Stop jobs (all that run, by default): no new request within 1 s, `resume` goes on."""
    with session() as orch:
        for name in sites or orch.active_sites():
            job = orch.sites.stop(name)
            out.print(f"{name}: {job.state}", markup=False)


@app.command()
def status(sites: Sites = None, json: Json = False) -> None:
    """Show how the newest job of each site stands."""
    with session() as orch:
        rows = orch.sites.status(sites or None)
    if json:
        emit_json(rows)
    elif rows:
        out.print(site_tables.jobs(rows))
    else:
        out.print("no site has had a job yet; `orch sites list` shows which sites there are")


@app.command("list")
def list_sites(json: Json = False) -> None:
    """List the sites there are, and the problems of site files."""
    with session() as orch:
        found, problems = orch.sites.registry.entries()
    if json:
        emit_json(site_tables.as_json(found))
    else:
        out.print(site_tables.sites(found))
    for problem in problems:
        err.print(problem, markup=False)
    raise typer.Exit(ConfigError.exit_code if problems else 0)


@app.command()
def show(site: Site, json: Json = False) -> None:
    """Show what is said about a site, and how its newest job stands."""
    with session() as orch:
        entry = orch.sites.registry.get(site)
        rows = orch.sites.status([site])
    shown = {
        "file": str(entry.path),
        "definition": entry.definition.model_dump(mode="json"),
        "job": rows[0] if rows else None,
    }
    if json:
        emit_json(shown)
    else:
        out.print(site_tables.facts(shown), markup=False)


@app.command()
def check(site: Annotated[str, typer.Argument(help="The name of a site, or a site file.")]) -> None:
    """Say whether a site file is right, and list everything that is not."""
    if site.endswith(".toml"):
        definition = read_site(Path(site))
        out.print(f"{site}: {definition.name} is well defined", markup=False)
        return
    with session() as orch:
        entry = orch.sites.registry.get(site)
    out.print(f"{entry.path}: {site} is well defined", markup=False)


@app.command()
def export(
    site: Site,
    form: Annotated[Literal["jsonl", "csv"], typer.Option("--format", help="jsonl or csv.")] = (
        "jsonl"
    ),
    job: Annotated[str | None, typer.Option(help="A job's id; the newest by default.")] = None,
    file: Annotated[Path | None, typer.Option("--output", "-o", help="A file.")] = None,
) -> None:
    """Write the items of a job, always in the same order. Needs no running service."""
    with session() as orch, orch.sites.results(site) as results:
        if not orch.sites.settled():
            err.print("results still wait to be written: this is not all")
        wanted = job or results.newest_job()
        if wanted is None:
            raise OrchError(f"{site}: nothing was scraped yet")
        if file is None:
            count = write_items(lambda: results.items(wanted), form, sys.stdout)
        else:
            with replacing(file) as handle:
                count = write_items(lambda: results.items(wanted), form, handle)
        err.print(f"{count} items of job {wanted}")


@app.command()
def failures(
    site: Site,
    job: Annotated[str | None, typer.Option(help="A job's id; the newest by default.")] = None,
    json: Json = False,
) -> None:
    """List the pages that failed, with the reasons, and those with items that lack something."""
    with session() as orch:
        rows = orch.sites.failures(site, job)
    if json:
        emit_json(rows)
    elif rows:
        out.print(site_tables.failures(rows))
    else:
        out.print("no page failed, and none lacked anything")


def _showing(start: Callable[..., Job]) -> Callable[[str], Job]:
    """Show the refresh of proxies that may come before the start."""

    def run(name: str) -> Job:
        with shown() as show:
            return start(name, on_progress=show)

    return run


def _every_site(orch: Orchestrator) -> list[str]:
    found, problems = orch.sites.registry.entries()
    if problems:
        raise ConfigError(tuple(problems), hint="mend them, or name the sites to start")
    return list(found)
