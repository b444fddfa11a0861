"""`orch up`, `down`, `restart`, `stop`: the services of a home."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.console import err, invocation, out
from orchestrator.cli.later import later
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home

bring_up = later("orchestrator.operate.launch", "bring_up")
bring_down = later("orchestrator.operate.launch", "bring_down")
request = later("orchestrator.operate.launch", "request")
apply_changes = later("orchestrator.operate.launch", "apply_changes")

#: Several services one after the other, each within its own time, in seconds.
RESTART_S = 120.0

Timeout = Annotated[float, typer.Option(help="Seconds to wait for the ordered stop.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    for command in (up, down, stop, restart):
        app.command(command.__name__)(command)


def up(
    services: Annotated[
        list[str] | None,
        typer.Argument(help="Only these, and what they need."),
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


def down(timeout: Timeout = 60.0) -> None:
    """Stop sites, beat, worker, results and Redis, in this order."""
    stopped = bring_down(Home.find(invocation.get().home), Deadline.after(timeout))
    out.print("stopped" if stopped else "nothing was running")


def stop(
    services: Annotated[list[str], typer.Argument(help="Names of services.")],
    timeout: Timeout = 60.0,
) -> None:
    """Stop some services, and those that need them; `orch down` stops all, `orch up S` starts one."""
    home, deadline = Home.find(invocation.get().home), Deadline.after(timeout)
    before = _stopped(request(home, "status", None, deadline))
    after = _stopped(request(home, "stop", services, deadline))
    ended = [name for name in after if name not in before]
    told = f"stopped: {', '.join(ended)}" if ended else f"not running: {', '.join(services)}"
    out.print(told, markup=False)


def restart(
    services: Annotated[
        list[str] | None,
        typer.Argument(help="Names of services."),
    ] = None,
    changed: Annotated[
        bool, typer.Option("--changed", help="Those that are declared otherwise by now.")
    ] = False,
) -> None:
    """Restart services, also failed ones; --changed applies a new configuration or version."""
    if changed == bool(services):
        raise ConfigError(("name services, or say --changed",), hint="`orch status` shows them")
    current = invocation.get()
    home, deadline = Home.find(current.home), Deadline.after(RESTART_S)
    if changed:
        done = apply_changes(home, current.overrides, deadline)
        told = f"applied to: {', '.join(done)}" if done else "nothing differs: all is as declared"
        out.print(told, markup=False)
        return
    answer = request(home, "restart", services, deadline)
    for row in answer["services"]:
        if row["name"] in (services or ()):
            whose = f"pid {row['pid']}" if row["pid"] else "not ours"
            out.print(f"{row['name']} is {row['state']} ({whose})", markup=False)


def _stopped(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    """The names of the services that do not run, the first to be stopped first."""
    return [row["name"] for row in reversed(answer["services"]) if row["state"] == "stopped"]
