"""`orch cron`: the refresh of proxies in the user's crontab."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli import proxies_refresh
from orchestrator.cli.console import emit_json, err, invocation, out
from orchestrator.core import config, duration
from orchestrator.core.errors import ConfigError
from orchestrator.core.home import Home
from orchestrator.operate import crontab
from orchestrator.operate.crontab import Crontab, Entry

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="Refresh the proxies by cron, also while nothing is up.",
)

#: A check counts for 30 minutes by default.
EVERY_S = 1800.0
LOG = "cron"

_HINT = "`orch cron install --help`"


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show the line in your crontab; exit code 1 without one."""
    home = _home()
    found = Crontab.of_user().lines_of(home)
    log = str(home.log(LOG))
    if as_json:
        emit_json({"installed": bool(found), "lines": found, "log": log})
    for line in [] if as_json else found:
        out.print(line, markup=False, soft_wrap=True)
    if not found:
        err.print("not in your crontab; `orch cron install` writes it")
    raise typer.Exit(0 if found else 1)


@app.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def install(
    context: typer.Context,
    every: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="5m, 30m, 6h, 1d; default: 30m."),
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="TIMES", help='Or as cron writes it: "*/30 8-18 * * *".')
    ] = None,
) -> None:
    """Write the line into your crontab, or change it; all other lines stay as they are.

    Whatever else is given goes to `orch proxies refresh`, for example --up --min 20.
    """
    current = invocation.get()
    home, program = _home(), Crontab.of_user()
    words = _checked(list(context.args))
    config.load(home, current.overrides)
    times = _times(home, every, schedule)
    logged = [] if "--log" in words else ["--log", str(home.log(LOG))]
    entry = Entry(home, times, ["proxies", "refresh", *words, *logged], current.overrides)
    done = program.install(entry)
    out.print("written:" if done else "it is there already:")
    out.print(f"  {entry.line}", markup=False, soft_wrap=True)


@app.command()
def remove() -> None:
    """Take the line out of your crontab."""
    done = Crontab.of_user().remove(_home())
    out.print("removed" if done else "there was none")


def _home() -> Home:
    return Home.find(invocation.get().home)


def _times(home: Home, every: str | None, schedule: str | None) -> str:
    if every and schedule:
        raise ConfigError(("--every and --schedule: give one of them",), hint=_HINT)
    try:
        if schedule is not None:
            return crontab.schedule(schedule)
        seconds = EVERY_S if every is None else duration.parse(every)
        return crontab.every(seconds, crontab.spread_of(home))
    except ValueError as error:
        given = f"--schedule {schedule}" if schedule is not None else f"--every {every}"
        raise ConfigError((f"{given}: {error}",), hint=_HINT) from error


def _checked(words: list[str]) -> list[str]:
    """Have what is meant for the refresh looked at by the refresh, before cron finds it wrong."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    proxies_refresh.register(app)
    typer.main.get_command(app).make_context("orch proxies refresh", list(words))
    return words
