"""`orch sites new`: the first draft of a site file, from a page of the site."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path  # noqa: TC003  (typer reads it)
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import finding_tables
from orchestrator.cli.console import out, session
from orchestrator.core.errors import ConfigError, OrchError
from orchestrator.core.files import unwritable
from sites.definition.definition import NAME, Definition
from sites.draft import one_page, scaffold
from sites.draft.findings import look

if TYPE_CHECKING:
    from sites.draft.scaffold import Draft
    from sites.fetch.answer import Page


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("new")(new)


def new(
    url: Annotated[str, typer.Argument(help="A page of the site: best a list of what you want.")],
    name: Annotated[str | None, typer.Option("--name", help="What to call the site.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="F.html", help="That page, as you saved it.")
    ] = None,
) -> None:
    """Write the first draft of a site file: it looks at the page, and at one that it lists.

    Nothing that is there already is ever overwritten.
    """
    where = one_page.address(url)
    called = name or scaffold.name_of(where)
    path = _free(called)
    asking = Definition.model_validate(_asking(called, where))
    page, where = (
        one_page.fetch(asking, where) if file is None else (one_page.from_file(file), where)
    )

    def fetch(link: str) -> tuple[Page, str] | None:
        try:
            return one_page.fetch(asking, link) if file is None else None
        except OrchError:
            return None  # the draft does without it

    found = scaffold.draft(page, where, fetch)
    text = scaffold.write(called, where, found)
    definition = Definition.model_validate(tomllib.loads(text))
    _write(path, text)
    out.print(f"{path} is there; this is what it says of a page:", markup=False)
    _show(definition, found)
    out.print(f"look through it, then `orch sites start {called}`", markup=False)


def _show(definition: Definition, found: Draft) -> None:
    if found.sample:
        finding_tables.show(look(definition, *found.sample))


def _free(name: str) -> Path:
    """Return where the file goes.

    Raises:
        ConfigError: the name cannot be one, or a site of the home has it.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError((f"name = {name!r}: must be small letters, digits, - and _",))
    with session() as orch:
        path = orch.context.home.path / "sites" / f"{name}.toml"
        entry = orch.sites.registry.entries()[0].get(name)
    there = path if path.exists() else entry.path if entry and not entry.shipped else None
    if there:
        raise ConfigError((f"{there}: is there already, and stays",), hint="--name another one")
    return path


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError((f"{path}: is there already, and stays",)) from error
    except OSError as error:
        raise unwritable(path, error) from error


def _asking(name: str, url: str) -> dict[str, object]:
    """What is said of a site before anything is known: who typed a private address means it."""
    return {
        "name": name,
        "start_urls": [url],
        "item": {"fields": {"title": "title::text"}},
        "allow_private": scaffold.is_inside(url),
    }
