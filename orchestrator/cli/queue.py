"""`orch queue`: durable work, in a file or in Redis."""

from __future__ import annotations

import typer

from orchestrator.cli import (
    queue_export,
    queue_fill,
    queue_limits,
    queue_look,
    queue_mend,
    queue_release,
    queue_run,
)

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="A queue of jobs that survives everything: fill it, run it, look at it.",
)
queue_fill.add_to(app)
queue_run.add_to(app)
queue_look.add_to(app)
queue_export.add_to(app)
queue_mend.add_to(app)
queue_release.add_to(app)
queue_limits.add_to(app)
