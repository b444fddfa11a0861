"""`orch up`, `down`, `restart`, `stop`: the services of a home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.chosen import better, differences
from orchestrator.cli.console import err, invocation, out
from orchestrator.cli.later import later
from orchestrator.cli.tables import reason, standing
from orchestrator.core.clock import Deadline
from orchestrator.core.errors import ConfigError, OrchError
from orchestrator.core.home import Home
from orchestrator.core.source import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

bring_up = later("orchestrator.operate.launch", "bring_up")
bring_down = later("orchestrator.operate.launch", "bring_down")
request = later("orchestrator.operate.launch", "request")
apply_changes = later("orchestrator.operate.launch", "apply_changes")

#: Several services one after the other, each within its own time, in seconds.
RESTART_S = 120.0
_APPLY = "`orch restart --changed` applies it"
#: Of one that was restarted by its name.
DIFFERS = {
    "changed": f"declared otherwise since it was started; {_APPLY}",
    "tuned": f"declared otherwise since it was started; {_APPLY}",
    "gone": f"declared no more; {_APPLY}",
}
#: How long the supervisor may take to say what differs, in seconds.
ASK_S = 5.0

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
    timeout: Annotated[
        float | None,
        typer.Option(help="With -d: seconds to wait until all are ready; default: as declared."),
    ] = None,
) -> None:
    """Start or adopt Redis, worker, beat and results, wait until each is ready, and supervise."""
    current = invocation.get()
    home = Home.find(current.home)
    try:
        code = bring_up(
            home,
            current.overrides,
            services=services,
            detach=detach,
            say=lambda text: err.print(text, markup=False),
            timeout_s=timeout,
        )
    except ConfigError as error:
        raise better(error, home, services) from error
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
    after = _stopped(_asked(home, "stop", services, deadline))
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
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait until all are ready again.")
    ] = RESTART_S,
) -> None:
    """Restart services, also failed ones; --changed applies a new configuration or version."""
    if changed == bool(services):
        hint = "`orch status` shows them; `orch down` and `orch up -d` restart them all"
        raise ConfigError(("name services, or say --changed",), hint=hint)
    current = invocation.get()
    home, deadline = Home.find(current.home), Deadline.after(timeout)
    if changed:
        done = apply_changes(home, current.overrides, deadline)
        told = f"applied to: {', '.join(done)}" if done else "nothing differs: all is as declared"
        out.print(told, markup=False)
        return
    answer = _asked(home, "restart", services or [], deadline)
    for row in answer["services"]:
        if row["name"] in (services or ()):
            out.print(f"{row['name']} is {standing(row)} ({_who(row)})", markup=False)
    _warn(home, answer, services or [])


def _asked(home: Home, what: str, services: list[str], deadline: Deadline) -> Any:
    try:
        return request(home, what, services, deadline)
    except ConfigError as error:
        raise better(error, home, services) from error


def _warn(home: Home, answer: Mapping[str, Any], services: list[str]) -> None:
    """Say which of `services` were restarted as they had been declared before."""
    overrides = invocation.get().overrides
    if answer["supervisor"].get("source") == digest(str(home.path), overrides):
        return
    try:
        differs = differences(home, overrides, Deadline.after(ASK_S))
    except OrchError as error:
        err.print(f"restarted as declared before; what is declared now: {error}", markup=False)
        return
    for name in services:
        if name in differs:
            err.print(f"{name}: {DIFFERS[differs[name]]}", markup=False, soft_wrap=True)


def _who(row: Mapping[str, Any]) -> str:
    if row["pid"]:
        return f"pid {row['pid']}"
    return reason(row) or "not ours"


def _stopped(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    """The names of the services that do not run, the first to be stopped first."""
    return [row["name"] for row in reversed(answer["services"]) if row["state"] == "stopped"]
