"""The options of `orch queue …`, and those that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import shared
from orchestrator.cli.options import sharing as with_options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Conflict", "Json", "OfKey", "PerHost", "PerKey", "Queue", "shared", "sharing"]

Json = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Queue = Annotated[
    str | None,
    typer.Option(
        "--queue",
        metavar="PATH|URL",
        help="A file, or redis://…, unix://… (default: data/queue.sqlite of the home).",
    ),
]
OfKey = Annotated[str | None, typer.Option("--key", help="Only those of this key.")]
Conflict = Annotated[
    str,
    typer.Option(
        "--on-conflict",
        metavar="ignore|update|requeue",
        help="Leave a known id alone, renew one that waits, or queue also one that has ended.",
    ),
]
PerKey = Annotated[
    str | None,
    typer.Option(
        "--max-per-resolver",
        metavar="KEY:N,…",
        help="At once of a key: a:2,b:3; none takes a limit away.",
    ),
]
PerHost = Annotated[
    str | None,
    typer.Option("--max-per-host", metavar="N", help="At once of each host; none: any number."),
]


def sharing(**more: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command `--queue`, and `more` options (`cli.options`)."""
    return with_options(**more, queue=Queue)
