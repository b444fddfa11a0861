"""`orch status`, `logs`, `events`: what runs, what it says, what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import names
from orchestrator.cli.console import emit_json, err, invocation, out
from orchestrator.cli.later import later
from orchestrator.cli.quick import snapshot, status_code
from orchestrator.cli.tables import services_table
from orchestrator.core.errors import ConfigError, NotRunning
from orchestrator.core.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterable

follow = later("orchestrator.cli.follow", "follow")
show_events = later("orchestrator.cli.event_log", "show")
watch = later("orchestrator.cli.watch", "watch")

#: Columns where no terminal sets a limit.
WIDE = 1000

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come, until Ctrl+C.")]
Lines = Annotated[int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    for command in (status, logs, events):
        app.command(command.__name__)(command)


def status(
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output.")
    ] = False,
    watching: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Go on until Ctrl+C; with --json, a line a change."),
    ] = False,
) -> None:
    """Show what runs. Exit code: 0 all ready, 1 something is not, 3 not running."""
    home = Home.find(invocation.get().home)
    if watching:
        watch(home, as_json=json)
    found = snapshot(str(home.path))
    if json:
        emit_json(found)
    elif found["supervisor"]["state"] == "stopped":
        raise NotRunning(
            f"nothing is running in {home.path}", hint="`orch up -d` starts the services"
        )
    else:
        if not out.is_terminal:
            out.width = WIDE  # into a file or a pipe a row is a line, however long
        out.print(services_table(found))
    raise typer.Exit(status_code(found))


def logs(
    services: Annotated[
        list[str] | None,
        typer.Argument(help="Only these; all by default."),
    ] = None,
    following: Follow = False,
    lines: Lines = 20,
) -> None:
    """Show the ends of the services' logs, in the order of their times."""
    home = Home.find(invocation.get().home)
    where = str(home.path)
    there = names.logs(where)
    _check(services or (), there, {*there, *(names.services(where) if following else ())})
    if not there:
        waiting = "; waiting for them" if following else ": `orch up` starts the services"
        err.print(f"no logs yet{waiting}", markup=False)
    chosen = list(dict.fromkeys(services or ()))
    follow(
        home,
        lambda: chosen or names.logs(where),
        lines=lines,
        following=following,
        named=len(chosen) != 1,
    )


def events(
    following: Follow = False,
    lines: Lines = 20,
    services: Annotated[
        list[str] | None,
        typer.Option("--service", "-s", help="Only about this one."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One array; with -f, an object a line.")
    ] = False,
) -> None:
    """Show what happened to the services: starts, ends, restarts, and why."""
    home = Home.find(invocation.get().home)
    show_events(
        home,
        lines=lines,
        services=frozenset(services or ()),
        following=following,
        as_json=json,
    )


def _check(services: Iterable[str], there: list[str], known: set[str]) -> None:
    listed = ", ".join(there) or "none yet: `orch up` starts the services"
    unknown = [name for name in services if name not in known]
    if unknown:
        raise ConfigError(tuple(f"no log of {name!r}; there are: {listed}" for name in unknown))
