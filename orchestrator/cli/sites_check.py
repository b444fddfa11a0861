"""`orch sites check`: whether a site file is right, and what would be taken from one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import finding_tables as tables
from orchestrator.cli.console import emit_json, out, session
from sites.definition.registry import read as read_site
from sites.draft import one_page
from sites.draft.findings import look
from sites.extract import own_class

if TYPE_CHECKING:
    from sites.definition.definition import Definition

Url = Annotated[str | None, typer.Option("--url", metavar="URL", help="A page to try it on.")]
File = Annotated[
    Path | None,
    typer.Option("--file", metavar="F.html", help="A saved page to try it on; --url says whose."),
]


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("check")(check)


def check(
    site: Annotated[str, typer.Argument(help="The name of a site, or a site file.")],
    url: Url = None,
    file: File = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")] = (
        False
    ),
) -> None:
    """Say whether a site file is right; with a page, what would be taken from it, and what not and why.

    Exit code 1: an item lacks a required field, or the page gives none where it should.
    """
    path, definition = _definition(site)
    own = own_class.load(definition, path.parent)
    if url is None and file is None:
        if json:
            emit_json({"file": str(path), "site": definition.name})
        else:
            out.print(f"{path}: {definition.name} is well defined", markup=False)
        return
    where = one_page.address(url) if url else definition.start_urls[0]
    if file is not None:
        page = one_page.from_file(file)
    else:
        page, where = one_page.fetch(definition, where)
    found = look(definition, page, where, own)
    if json:
        emit_json(found.as_json())
    else:
        tables.show(found)
    raise typer.Exit(0 if found.well else 1)


def _definition(site: str) -> tuple[Path, Definition]:
    if site.endswith(".toml"):
        return Path(site), read_site(Path(site))
    with session() as orch:
        entry = orch.sites.registry.get(site)
        return entry.path, entry.definition
