"""`orch proxies status|list|add|remove|export`: the pool."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli import proxy_status, proxy_tables
from orchestrator.cli.console import WIDE, emit_json, err, fail, out, session
from orchestrator.cli.names import sites as defined_sites
from orchestrator.cli.proxies_typed import Json, Proxies, any_scheme, parsed, typed
from orchestrator.core.errors import ConfigError
from proxies.pool.inventory import Inventory
from proxies.pool.overview import Overview

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.core.context import Context

_FAILED, _IN_PART = 1, 6


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(status)
    app.command("list")(list_proxies)
    for command in (add, remove, export):
        app.command()(command)


def status(as_json: Json = False) -> None:
    """Show the pool in figures: how fresh, how quick, how well used.

    What the last refreshes found, a histogram of latencies; for each site that picked lately its picks,
    how many were answered, who cools down, how many are in flight (now), and how many requests a minute
    a proxy may make there (limit, learned from bans).
    """
    with session() as orch:
        found = Overview(Inventory(orch.context)).read() | {"refresh": orch.proxies.progress()}
    if as_json:
        emit_json(found)
    else:
        proxy_status.show(found)


def list_proxies(
    site: Annotated[
        str | None,
        typer.Option(metavar="SITE", help="How they do at this site, and who cools down there."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the pool in the order in which it is picked from.

    Credentials are masked. The score is how many answers a minute may be expected of a proxy, one
    request after another; 0 is for those that are not picked.
    """
    with session() as orch:
        inventory = Inventory(orch.context)
        if site is not None:
            _require_site(site, list(inventory.sites()), orch.context)
        rows = inventory.rows(site or "")
    if as_json:
        emit_json(rows)
    elif rows:
        if not out.is_terminal:
            out.width = WIDE  # into a file or a pipe a row is a line, however long
        out.print(proxy_tables.at_site(rows) if site else proxy_tables.pool(rows))
    else:
        out.print("the pool is empty; `orch proxies refresh` fills it")


def add(proxies: Proxies) -> None:
    """Add candidates by hand: every refresh checks them from now on.

    host:port is checked as http and as socks5, unless proxies.default_scheme says what it is.
    """
    with session() as orch:
        scheme = orch.context.settings.proxies.default_scheme
        wanted = [proxy for meant in parsed(proxies, scheme) for proxy in meant]
        new = Inventory(orch.context).add(wanted)
    out.print(f"added {new} of {len(wanted)}; the next `orch proxies refresh` checks them")


def remove(proxies: Proxies) -> None:
    """Take proxies out of the pool.

    A source that names one brings it back. host:port is all that it is listed as; http://***@host:port,
    as `list` shows it, is whoever has that.
    """
    with session() as orch:
        wanted = parsed(proxies, None, any_scheme)
        removed = Inventory(orch.context).remove(wanted)
    unknown = [typed(meant) for meant, gone in zip(wanted, removed, strict=True) if not gone]
    if sum(removed) or not unknown:
        out.print(f"removed {sum(removed)} of {len(wanted)}")
    if unknown:
        code = _IN_PART if any(removed) else _FAILED
        fail(f"not in the pool: {', '.join(unknown)}", code, hint="`orch proxies list` shows it")


def export(
    form: Annotated[
        Literal["txt", "json"], typer.Option("--format", help="One URL a line, or one array.")
    ] = "txt",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print the usable proxies for other programs.

    With their credentials, the best one first.
    """
    with session() as orch:
        entries = Inventory(orch.context).export()
    if as_json or form == "json":
        emit_json(entries)
    else:
        sys.stdout.writelines(f"{entry['url']}\n" for entry in entries)
    if not entries:
        err.print("no proxy is usable; `orch proxies refresh` looks for some")


def _require_site(site: str, picked: Sequence[str], context: Context) -> None:
    """A site of which nobody has ever heard is a mistake."""
    known = sorted({*picked, *defined_sites(str(context.home.path))})
    if site not in known:
        there = ", ".join(known) or "none yet"
        raise ConfigError(
            (f"--site {site!r}: no such site has picked a proxy; there are: {there}",)
        )
