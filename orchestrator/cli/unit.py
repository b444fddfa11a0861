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
        # Not by rich: what it wraps cannot be copied.
        lines = ["", "to install it:", *(f"  {line}" for line in _install(made, home.path))]
        sys.stderr.write("".join(f"{line}\n" for line in lines))


def _install(made: Unit, home: Path) -> list[str]:
    words = ["orch", "--home", str(home), "unit", "--name", made.name]
    printed = shlex.join([*words, *([] if made.system else ["--user-unit"])])
    if made.system:
        return [
            f"{printed} | sudo tee /etc/systemd/system/{made.file} >/dev/null",
            f"sudo systemctl enable --now {made.file}",
        ]
    return [
        "mkdir -p ~/.config/systemd/user",
        f"{printed} > ~/.config/systemd/user/{made.file}",
        f"systemctl --user enable --now {made.file}",
        "loginctl enable-linger    # or it runs only while you are logged in",
    ]
