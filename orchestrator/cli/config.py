"""`orch config show|check|init`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from orchestrator.cli.console import emit_json, invocation, out
from orchestrator.core import config
from orchestrator.core.errors import ConfigError
from orchestrator.core.files import write_atomically
from orchestrator.core.home import Home
from orchestrator.operate.example import EXAMPLE

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)


def _loaded() -> config.Config:
    current = invocation.get()
    return config.load(Home.find(current.home), current.overrides)


@app.command()
def show(
    origin: Annotated[
        bool, typer.Option("--origin", help="Say where each value comes from.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show every setting, secrets masked."""
    rows = _loaded().flat()
    if as_json:
        emit_json({key: {"value": value, "origin": where} for key, value, where in rows})
        return
    table = Table("setting", "value", *(["origin"] if origin else []), box=None)
    for key, value, where in rows:
        table.add_row(key, json.dumps(value), *([where] if origin else []))
    out.print(table)


@app.command()
def check() -> None:
    """Check orch.toml; all problems at once, exit code 2."""
    loaded = _loaded()
    loaded.require_commands()
    home = loaded.home
    where = home.config_file if home.config_file.exists() else "no orch.toml: all defaults"
    out.print(f"fine ({where})", markup=False)


@app.command()
def init() -> None:
    """Write a commented orch.toml into the home."""
    home = Home.find(invocation.get().home)
    if home.config_file.exists():
        raise ConfigError((f"{home.config_file} is there already; it is left as it is",))
    write_atomically(home.config_file, EXAMPLE)
    home.config_file.chmod(0o644)
    out.print(f"wrote {home.config_file}", markup=False)
