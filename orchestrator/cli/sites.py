"""`orch sites`: scrape jobs, one for each site."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import site_tables, sites_local
from orchestrator.cli.console import emit_json, err, out, session
from orchestrator.cli.groups import SitesGroup
from orchestrator.cli.proxy_progress import shown
from orchestrator.cli.site_progress import follow
from orchestrator.cli.sites_local import Local  # noqa: TC001 (typer reads it)
from orchestrator.core.errors import ConfigError, RedisUnavailable
from orchestrator.core.needs import in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.facade import Orchestrator
    from sites.job.job import Job

app = typer.Typer(cls=SitesGroup, no_args_is_help=True, rich_markup_mode=None, add_completion=False)

Json = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Site = Annotated[str, typer.Argument(help="The name of a site; `orch sites list` shows them.")]
Sites = Annotated[list[str] | None, typer.Argument(help="Names of sites.")]


@app.command()
def start(
    sites: Sites = None,
    everything: Annotated[bool, typer.Option("--all", help="Every site there is.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the jobs to their ends.")] = True,
    local: Local = False,
    changed_only: Annotated[
        bool,
        typer.Option("--changed-only", help="Ask only for what has changed since a run before."),
    ] = False,
) -> None:
    """Start jobs and follow them. A job that runs already goes on. Ctrl+C stops what was started.

    With --local nothing need be up; what was killed in it goes on, too.
    """
    with session() as orch:
        names = _every_site(orch) if everything else list(dict.fromkeys(sites or ()))
        if not names:
            raise ConfigError(("name a site, or say --all",), hint="`orch sites list` shows them")
        # Every mistake before the first start; who is needed starts before those who need it.
        names = in_order({name: orch.sites.definition(name).needs for name in names})
        if local:
            raise typer.Exit(sites_local.crawl(orch, names, wait=wait, changed_only=changed_only))
        begin = partial(orch.start_site_scraper, changed_only=changed_only)
        with sites_local.offered("start", names):
            raise typer.Exit(follow(orch, names, _showing(begin), wait=wait))


@app.command()
def resume(
    site: Site,
    wait: Annotated[bool, typer.Option(help="Follow the job to its end.")] = True,
    local: Local = False,
) -> None:
    """Let a stopped job go on with what is left. With --local: one that was crawled so, or was killed."""
    with session() as orch:
        if local:
            raise typer.Exit(sites_local.go_on(orch, site, wait=wait))
        sites_local.need_shared(orch, "resume", site)
        raise typer.Exit(follow(orch, [site], _showing(orch.resume_site_scraper), wait=wait))


@app.command()
def stop(sites: Sites = None) -> None:
    """Stop jobs (all that run, by default): no new request within 1 s, `resume` goes on."""
    with session() as orch:
        for name in sites or orch.active_sites():
            job = orch.sites.stop(name)
            out.print(f"{name}: {job.state}", markup=False)


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
    """Show what is said about a site, and how its newest job stands, if anybody knows that now."""
    rows, told = [], "no job yet"
    with session() as orch:
        entry = orch.sites.registry.get(site)
        try:
            rows = orch.sites.status([site])
        except RedisUnavailable as error:
            told = f"how its newest job stands is not known: {error}"
    shown = {
        "file": str(entry.path),
        "definition": entry.definition.model_dump(mode="json", exclude_none=True),
        "job": rows[0] if rows else None,
    }
    if json:
        emit_json(shown)
    else:
        out.print(site_tables.facts(shown), markup=False)
    if not rows:
        err.print(told, markup=False)


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
