"""`orch proxies`: the pool of proxies, and its refresh."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

import typer

from orchestrator.cli import proxy_tables
from orchestrator.cli.console import emit_json, err, fail, out, session
from orchestrator.cli.proxy_progress import shown
from orchestrator.core import duration
from orchestrator.core.errors import ConfigError
from proxies.inventory import Inventory
from proxies.model import Proxy, parse

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)

#: Nobody waits for longer; threads cannot for much longer.
MOST_TIMEOUT_S = 86_400


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


Json = Annotated[bool, typer.Option("--json", help="One JSON value on standard output.")]
Proxies = Annotated[
    list[str], typer.Argument(help="scheme://[user:pass@]host:port, or host:port.", metavar="PROXY")
]


@app.command()
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
    as_json: Json = False,
) -> None:
    """Check every candidate and put the live ones into the pool.

    Exit code: 0 enough usable proxies, 6 fewer or in part, 1 failed, 5 not in time.
    """
    with session() as orch:
        need = orch.proxies.needed(if_older_than, if_below)
        if not need.needed:
            if as_json:
                emit_json({"needed": False, "why": need.why})
            else:
                out.print(f"no refresh is needed: {need.why}")
            return
        try:
            with shown() as show:
                outcome = orch.proxies.refresh(
                    timeout=timeout, join=join, wait=wait, on_progress=show
                )
        except KeyboardInterrupt:
            err.print("no longer waiting; the refresh goes on, and the next one joins it")
            raise typer.Exit(130) from None
    if as_json:
        emit_json(outcome.as_json())
    else:
        out.print(proxy_tables.outcome(outcome), markup=False)
    raise typer.Exit(outcome.exit_code(minimum))


@app.command()
def status(as_json: Json = False) -> None:
    """Show how many proxies there are, and the newest refresh."""
    with session() as orch:
        counts = Inventory(orch.context).counts()
        found = {
            **{name: counts[name] for name in ("live", "usable", "refreshed_at")},
            "refresh": orch.proxies.progress(),
        }
    if as_json:
        emit_json(found)
    else:
        out.print(proxy_tables.status(found), markup=False)


@app.command("list")
def list_proxies(as_json: Json = False) -> None:
    """List the pool, quickest first, credentials masked."""
    with session() as orch:
        rows = Inventory(orch.context).rows()
    if as_json:
        emit_json(rows)
    elif rows:
        out.print(proxy_tables.pool(rows))
    else:
        out.print("the pool is empty; `orch proxies refresh` fills it")


@app.command()
def add(proxies: Proxies) -> None:
    """Add candidates by hand; every refresh checks them from now on."""
    wanted = _parsed(proxies)
    with session() as orch:
        new = Inventory(orch.context).add(wanted)
    out.print(f"added {new} of {len(wanted)}; the next `orch proxies refresh` checks them")


@app.command()
def remove(proxies: Proxies) -> None:
    """Take proxies out of the pool; a source that names one brings it back."""
    wanted = _parsed(proxies)
    with session() as orch:
        inventory = Inventory(orch.context)
        unknown = [proxy.masked for proxy in wanted if not inventory.remove(proxy)]
    out.print(f"removed {len(wanted) - len(unknown)} of {len(wanted)}")
    if unknown:
        fail(f"not in the pool: {', '.join(unknown)}", 1, hint="`orch proxies list` shows it")


@app.command()
def export(
    form: Annotated[
        Literal["txt", "json"], typer.Option("--format", help="One URL a line, or one array.")
    ] = "txt",
) -> None:
    """Print the usable proxies, with their credentials, for other programs."""
    with session() as orch:
        entries = Inventory(orch.context).export()
    if form == "json":
        sys.stdout.write(json.dumps(entries, indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{entry['url']}\n" for entry in entries)
    if not entries:
        err.print("no proxy is usable; `orch proxies refresh` looks for some")


def _parsed(texts: list[str]) -> list[Proxy]:
    """Read them all, or name every one that is wrong (by its place: it may hold a password)."""
    found, problems = [], []
    for place, text in enumerate(texts, 1):
        try:
            found.append(parse(text))
        except ValueError as error:
            problems.append(f"proxy {place}: {error}")
    if problems:
        raise ConfigError(tuple(problems))
    return found
