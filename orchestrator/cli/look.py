"""`orch status`, `logs`, `events`: what runs, what it says, what happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import chosen, names
from orchestrator.cli.console import WIDE, emit_json, err, invocation, out
from orchestrator.cli.later import later
from orchestrator.cli.quick import snapshot, status_code
from orchestrator.cli.tables import services_table
from orchestrator.core.errors import ConfigError, NotRunning
from orchestrator.core.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterable

follow = later("orchestrator.cli.follow", "follow")
show_events = later("orchestrator.cli.event_log", "show")
mentioned = later("orchestrator.cli.event_log", "mentioned")
watch = later("orchestrator.cli.watch", "watch")

Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on as they come, until Ctrl+C.")]
Lines = Annotated[int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    for command in (status, logs, events):
        app.command(command.__name__)(command)


def status(
    services: Annotated[
        list[str] | None,
        typer.Argument(help="Only these; all by default."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output.")
    ] = False,
    watching: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Go on until Ctrl+C; with --json, a line a change."),
    ] = False,
) -> None:
    """Show what runs.

    Exit code 0: all that should run is ready (stopped ones do not count); 1: something is not;
    3: nothing runs.
    """
    home = Home.find(invocation.get().home)
    if watching:
        watch(home, services or (), as_json=json)
    found = chosen.only(home, snapshot(str(home.path), measured=True), services or ())
    if json:
        emit_json(found)
    elif found["supervisor"]["state"] == "stopped":
        raise NotRunning(
            f"nothing is running in {home.path}", hint="`orch up -d` starts the services"
        )
    else:
        if not out.is_terminal:
            out.width = WIDE  # into a file or a pipe a row is a line, however long
        out.print(services_table(found, whole=not services))
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
    wanted = list(dict.fromkeys(services or ()))
    follow(
        home,
        lambda: wanted or names.logs(where),
        lines=lines,
        following=following,
        named=len(wanted) != 1,
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
    known = names.services(str(home.path)) if services else []
    if not set(services or ()) <= set(known):
        known = sorted({*known, *mentioned(home)})  # one that is declared no more has its past
    unknown = [name for name in services or () if name not in known]
    if unknown:
        there = ", ".join(known)
        raise ConfigError(tuple(f"no events of {name!r}; there are: {there}" for name in unknown))
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
