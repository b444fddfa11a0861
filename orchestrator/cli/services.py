"""`orch up`, `down`, `restart`, `status`, `logs`, `doctor`: the services of a home."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.console import emit_json, err, invocation, out
from orchestrator.cli.follow import follow
from orchestrator.cli.later import later
from orchestrator.cli.quick import snapshot, status_code
from orchestrator.cli.tables import services_table
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError, NotRunning
from orchestrator.core.home import Home

bring_up = later("orchestrator.operate.launch", "bring_up")
bring_down = later("orchestrator.operate.launch", "bring_down")
request = later("orchestrator.operate.launch", "request")

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    for command in (up, down, restart, status, logs):
        app.command(command.__name__)(command)


def up(
    services: Annotated[
        list[str] | None, typer.Argument(help="Only these, and what they need.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Leave it running, and return.")
    ] = False,
) -> None:
    """Start or adopt Redis, worker, beat and results, wait until each is ready, and supervise."""
    current = invocation.get()
    code = bring_up(
        Home.find(current.home),
        current.overrides,
        services=services,
        detach=detach,
        say=lambda text: err.print(text, markup=False),
    )
    raise typer.Exit(code)


def down(
    timeout: Annotated[float, typer.Option(help="Seconds to wait for the ordered stop.")] = 60.0,
) -> None:
    """Stop sites, beat, worker, results and Redis, in this order."""
    stopped = bring_down(Home.find(invocation.get().home), Deadline.after(timeout))
    out.print("stopped" if stopped else "nothing was running")


def restart(
    service: Annotated[str, typer.Argument(help="redis, worker, beat or results.")],
) -> None:
    """Restart one service, also one that has failed."""
    home = Home.find(invocation.get().home)
    answer = request(home, "restart", [service], Deadline.after(120.0))
    row = next(row for row in answer["services"] if row["name"] == service)
    out.print(f"{service} is {row['state']} (pid {row['pid']})", markup=False)


def status(json: Json = False) -> None:
    """Show what runs. Exit code: 0 all ready, 1 something is not, 3 not running."""
    home = Home.find(invocation.get().home)
    found = snapshot(str(home.path))
    if json:
        emit_json(found)
    elif found["supervisor"]["state"] != "running":
        raise NotRunning(
            f"nothing is running in {home.path}", hint="`orch up -d` starts the services"
        )
    else:
        out.print(services_table(found))
    raise typer.Exit(status_code(found))


def logs(
    service: Annotated[str | None, typer.Argument(help="One service; all by default.")] = None,
    following: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many to begin with.")
    ] = 20,
) -> None:
    """Show the ends of the services' logs."""
    home = Home.find(invocation.get().home)
    known = sorted(path.stem for path in home.logs.glob("*.log"))
    if service is not None and service not in known:
        there = ", ".join(known) or "none yet: `orch up` starts the services"
        raise ConfigError((f"no log of {service!r}; there are: {there}",))
    follow(home, [service] if service else known, lines=lines, following=following)
