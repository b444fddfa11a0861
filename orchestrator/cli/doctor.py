"""`orch doctor`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from orchestrator.cli.console import WIDE, emit_json, invocation, out
from orchestrator.core.home import Home
from orchestrator.operate.doctor import examine

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Look at everything that has to be right, and say how to mend what is not."""
    current = invocation.get()
    findings = examine(Home.find(current.home), current.overrides)
    if as_json:
        emit_json([asdict(finding) for finding in findings])
    else:
        table = Table(box=None, show_header=False)
        for finding in findings:
            sign = "[green]fine[/]" if finding.ok else "[red]wrong[/]"
            mend = "" if finding.ok else f"\n{finding.mend}"
            table.add_row(sign, finding.what, finding.told + mend)
        if not out.is_terminal:
            out.width = WIDE
        out.print(table)
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)
