"""What every command prints with, and the home that it works on."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console

import orchestrator
from orchestrator.core.errors import OrchError, ServiceFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.facade import Orchestrator

#: Columns where no terminal sets a limit: a row is a line, however long.
WIDE = 1000


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would end us with 1 here; who reads no more is no failure of ours (`cli.run`)."""
        raise BrokenPipeError


#: Results; nothing else goes to standard output when a command prints JSON.
out = _Console(highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())
#: Progress, warnings and errors.
err = _Console(stderr=True, highlight=False, emoji=False, soft_wrap=not sys.stderr.isatty())


@dataclass(frozen=True, slots=True)
class Invocation:
    """The options that stand before the command."""

    home: str | None = None
    overrides: dict[str, str] = field(default_factory=dict)


_PLAIN = Invocation()
invocation: ContextVar[Invocation] = ContextVar("invocation", default=_PLAIN)


@contextmanager
def session() -> Iterator[Orchestrator]:
    """The facade of the home that the command works on; it starts nothing."""
    current = invocation.get()
    yield orchestrator.Orchestrator(current.home, current.overrides)


def emit_json(value: Any) -> None:
    """Print one JSON value, and nothing else, on standard output."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def explain(error: OrchError) -> None:
    """Say on standard error what went wrong and what to do next."""
    err.print("orch:", str(error), markup=False, style="red" if err.is_terminal else None)
    if isinstance(error, ServiceFailed) and error.log_tail:
        err.print("  the end of its log:")
        for line in error.log_tail:
            err.print(f"  | {line}", markup=False)
    if error.hint:
        err.print(f"  {error.hint}", markup=False)


def fail(message: str, code: int, *, hint: str = "") -> NoReturn:
    """Say what went wrong and end with `code`."""
    explain(OrchError(message, hint=hint))
    raise typer.Exit(code)
