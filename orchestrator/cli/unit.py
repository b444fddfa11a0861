"""`orch unit`."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.console import err, invocation
from orchestrator.core import config
from orchestrator.core.home import Home
from orchestrator.operate.unit import Unit

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def unit(
    name: Annotated[str | None, typer.Option(help="Its name; default: orch-FOLDER.")] = None,
    system: Annotated[
        bool,
        typer.Option("--system/--user-unit", help="For the machine, or for your session only."),
    ] = True,
) -> None:
    """Print a hardened systemd unit file for `orch up` in this home."""
    current = invocation.get()
    home = Home.find(current.home)
    made = Unit.of(config.load(home, current.overrides), name, system=system)
    sys.stdout.write(made.text())
    sys.stdout.flush()
    if err.is_terminal:
        err.print("\nto install it:", markup=False)
        for line in _install(made, home.path):
            err.print(f"  {line}", markup=False)


def _install(made: Unit, home: Path) -> list[str]:
    words = ["orch", "--home", str(home), "unit", "--name", made.name]
    if made.system:
        target, become, ctl = "/etc/systemd/system", "sudo ", "systemctl"
    else:
        words.append("--user-unit")
        target, become, ctl = "~/.config/systemd/user", "", "systemctl --user"
    printed = shlex.join(words)
    return [
        f"{printed} | {become}tee {target}/{made.file} >/dev/null",
        f"{become}{ctl} enable --now {made.file}",
    ]
