"""`orch run -- CMD…`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.console import err, invocation
from orchestrator.cli.later import later
from orchestrator.core.home import Home

carry_out = later("orchestrator.operate.errand", "run")


def add_to(app: typer.Typer) -> None:
    """Add `run` to the command line: whatever follows the first word is the command's."""
    app.command("run", context_settings={"allow_interspersed_args": False})(run)


def run(
    command: Annotated[
        list[str], typer.Argument(metavar="CMD…", help="The command and its words.")
    ],
) -> None:
    """Start the services, run a command with them, stop them; the command's exit code."""
    current = invocation.get()
    code = carry_out(
        Home.find(current.home),
        current.overrides,
        command,
        lambda text: err.print(text, markup=False) if err.is_terminal else None,
    )
    raise typer.Exit(code)
