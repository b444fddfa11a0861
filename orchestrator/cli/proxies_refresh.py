"""`orch proxies refresh`."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from orchestrator.cli import proxy_tables
from orchestrator.cli.console import emit_json, err, out, session
from orchestrator.cli.logged import logged
from orchestrator.cli.options import shared, sharing
from orchestrator.cli.proxy_progress import shown
from orchestrator.core import duration
from orchestrator.core.errors import ConfigError, NotRunning, RedisUnavailable
from orchestrator.operate.errand import Told, services
from orchestrator.operate.foreground import SIGNALLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.facade import Orchestrator
    from proxies.refresh.outcome import RefreshOutcome

#: Nobody waits for longer; threads cannot for much longer.
MOST_TIMEOUT_S = 86_400

NOTHING_UP = (
    "`orch up -d` starts what is needed; `orch proxies refresh --up` does so for its duration"
)


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(refresh)


def _duration(text: str) -> float:
    try:
        return duration.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _timeout(text: str) -> float:
    seconds = _duration(text)
    if not seconds > 0:
        raise typer.BadParameter("must be above 0 seconds")
    if seconds > MOST_TIMEOUT_S:
        raise typer.BadParameter(f"must be at most {MOST_TIMEOUT_S // 3600} hours")
    return seconds


@sharing(
    want=Annotated[
        int | None,
        typer.Option(min=1, help="End as soon as so many usable ones are found; else check all."),
    ],
    log=Annotated[
        Path | None,
        typer.Option(help="Append what is printed to this file; for cron.", metavar="FILE"),
    ],
    up=Annotated[
        bool | None,
        typer.Option("--up", help="Start the services for its duration, as far as none run."),
    ],
)
def refresh(
    minimum: Annotated[
        int, typer.Option("--min", min=0, help="Exit code 6 with fewer usable proxies.")
    ] = 1,
    timeout: Annotated[
        float | None,
        typer.Option(
            parser=_timeout,
            metavar="DURATION",
            help="90, 90s, 10m; computed from the work without it.",
        ),
    ] = None,
    if_older_than: Annotated[
        float | None,
        typer.Option(parser=_duration, metavar="DURATION", help="Only if the last is older."),
    ] = None,
    if_below: Annotated[
        int | None, typer.Option(min=0, help="Only if fewer proxies are usable.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end.")] = True,
    join: Annotated[
        bool, typer.Option(help="Join a refresh that runs already, or exit with 75.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON value on standard output.")
    ] = False,
) -> None:
    """Check every candidate and put the live ones into the pool.

    Exit code: 0 enough usable proxies, 6 fewer or in part, 1 failed, 3 nothing runs, 5 not in time.
    """
    if shared("up") and not wait:
        raise ConfigError(("--up and --no-wait: the services go down when the command ends",))
    call = Call(timeout=timeout, want=shared("want") or 0, join=join, wait=wait)
    with logged(shared("log")), session() as orch, _services(orch, up=bool(shared("up"))):
        need = orch.proxies.needed(if_older_than, if_below)
        if not need.needed:
            _tell({"needed": False, "why": need.why}, f"no refresh is needed: {need.why}", as_json)
            return
        outcome = _refreshed(orch, call, up=bool(shared("up")))
        _tell(outcome.as_json(), proxy_tables.outcome(outcome), as_json)
        raise typer.Exit(outcome.exit_code(minimum))


class Call(TypedDict):
    """What is asked of a refresh."""

    timeout: float | None
    want: int
    join: bool
    wait: bool


def _refreshed(orch: Orchestrator, call: Call, *, up: bool) -> RefreshOutcome:
    try:
        with shown() as show:
            return orch.proxies.refresh(**call, on_progress=show)
    except KeyboardInterrupt:
        if not up:
            err.print("no longer waiting; the refresh goes on, and the next one joins it")
        raise


@contextmanager
def _services(orch: Orchestrator, *, up: bool) -> Iterator[None]:
    """Have the services for a while, if they are wanted; a signal ends that, with its exit code."""
    if not up:
        try:
            yield
        except (NotRunning, RedisUnavailable) as error:
            error.hint = NOTHING_UP
            raise
        return
    context = orch.context
    overrides = context.config.overrides
    try:
        with services(context.home, overrides, lambda text: err.print(text, markup=False)):
            yield
    except Told as told:
        raise typer.Exit(SIGNALLED + told.number) from None


def _tell(value: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        emit_json(value)
    else:
        out.print(text, markup=False)
