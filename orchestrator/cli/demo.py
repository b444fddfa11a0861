"""`orch demo`: shows what the demo tells."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from orchestrator.cli.console import out
from orchestrator.demo import script
from orchestrator.demo.scene import Done, Line, Rows, Step

if TYPE_CHECKING:
    from orchestrator.demo.scene import Scene

INDENT = "   "

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def demo(
    remove: Annotated[bool, typer.Option("--remove", help="Remove its files at the end.")] = False,
) -> None:
    """Run the whole main job on this machine alone, with real components, in about half a minute."""
    raise typer.Exit(script.play(show, keep=not remove))


def show(scene: Scene) -> None:
    """Print a scene, at once: the commands of the demo write to the same place."""
    match scene:
        case Step():
            out.print()
            out.print(Text(f"{scene.number:>2} {scene.title}", style="bold"))
            if scene.command:
                out.print(Text(f"{INDENT}$ {scene.command}", style="cyan"))
        case Done():
            took = f"{scene.seconds:.1f} s"
            text = f"{scene.text} ({took})" if scene.text else took
            out.print(Text(INDENT + text, style="green"))
        case Rows():
            heading, *lines = aligned(scene)
            for line in (Text(heading, style="dim"), *map(Text, lines)):
                if out.is_terminal:
                    out.print(line, overflow="ellipsis", no_wrap=True)
                else:
                    out.print(line, soft_wrap=True)
        case Line():
            out.print(Text(scene.text))
    sys.stdout.flush()


def aligned(table: Rows) -> list[str]:
    """The lines of a table, columns under each other, two spaces between them."""
    widths = [max(map(len, column)) for column in zip(table.columns, *table.rows, strict=True)]
    return [
        (INDENT + "  ".join(map(str.ljust, row, widths))).rstrip()
        for row in (table.columns, *table.rows)
    ]
