"""`orch proxies sources`: what each source gave, and how much of it was live."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import source_tables
from orchestrator.cli.console import emit_json, out, session
from orchestrator.core.redis import translated
from proxies.sources.sources import read_all
from proxies.sources.yields import Yields


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(sources)


def sources(
    read: Annotated[
        bool, typer.Option("--read", help="Read them all now; no proxy is checked.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON value on standard output.")
    ] = False,
) -> None:
    """Show what each source gave, and how much of it was live.

    Exit code: 0; with --read 6 if one of them could not be read, 2 if none could.
    """
    with session() as orch, translated():
        settings, home = orch.context.settings.proxies, orch.context.home
        yields = Yields(orch.context.redis, orch.context.keys)
        if read:
            yields.saw(read_all(settings, home))
        rows = yields.rows(settings)
    if as_json:
        emit_json(rows)
    elif rows:
        out.print(source_tables.sources(rows))
        out.print(source_tables.notes(rows), markup=False, end="")
    else:
        out.print("no sources: name lists in proxies.sources, or `orch proxies add`")
    if read and any(row["error"] for row in rows):
        raise typer.Exit(6)
