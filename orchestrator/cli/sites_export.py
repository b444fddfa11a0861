"""`orch sites export`: items, or what has changed of them, for other programs."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.cli.console import err, session
from orchestrator.cli.moment import local
from orchestrator.cli.options import shared, sharing
from orchestrator.cli.output_file import STDOUT, like_others, written
from orchestrator.cli.queue_tables import number
from orchestrator.core import duration
from orchestrator.core.clock import SYSTEM
from orchestrator.core.errors import ConfigError, OrchError
from sites.results.changes import Changes, baseline
from sites.results.export import LINES
from sites.results.export import export as write_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from sites.results.output import Results, Run

Form = Annotated[
    Literal["jsonl", "csv", "sqlite", "parquet"],
    typer.Option("--format", help="jsonl, csv, sqlite (a table) or parquet."),
]
Output = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE|-", help="Whole or not at all.")
]
Changed = Annotated[
    bool, typer.Option("--changed", help="Only what is new, changed or gone since the last run.")
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="DATE|JOB|7d",
        help="Only items first seen or changed since; with --changed: compared with that run.",
    ),
]
SafeCsv = Annotated[
    bool, typer.Option("--safe-csv", help="csv: no text is a formula to a spreadsheet.")
]

_JOB = re.compile(r"[0-9a-f]{12}")


def add_to(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("export")(export)


@sharing(changed=Changed, since=Since, safe_csv=SafeCsv)
def export(
    site: Annotated[str, typer.Argument(help="The name of a site; `orch sites list` shows them.")],
    form: Form = "jsonl",
    job: Annotated[str | None, typer.Option(help="A job's id; the newest by default.")] = None,
    output: Output = STDOUT,
) -> None:
    """Write the items of a job, always in the same order. Needs no running service.

    --changed: `_change` says new, changed or gone, and `_before` what changed fields were. What is gone
    is told of a run that is done, never of one that was stopped or failed in part.
    """
    since = _since(shared("since"))
    if form not in LINES and output == STDOUT:
        raise ConfigError((f"--format {form} needs a file",), hint="name it: -o FILE")
    with session() as orch:
        if not orch.sites.settled():
            err.print("results still wait to be written: this is not all")
        with orch.sites.results(site) as results, results.snapshot():
            runs = results.runs()
            items, told = _chosen(results, runs, _run(site, runs, job), since)
            with written(output) as file:
                if output != STDOUT:
                    like_others(file, output)
                count = write_items(items, form, file, safe=bool(shared("safe_csv")), name=site)
    for line in told(count):
        err.print(line, markup=False)


def _chosen(
    results: Results, runs: list[Run], run: Run, since: str | float | None
) -> tuple[Callable[[], Iterable[dict[str, Any]]], Callable[[int], Iterable[str]]]:
    """Return what to write, and what to say of so many items afterwards."""
    marked = bool(shared("changed"))
    if not marked and since is None:
        return lambda: results.items(run.job), lambda count: [
            f"{number(count, 'item')} of job {run.job}"
        ]
    try:
        changes = Changes(results, run, baseline(runs, run, since))
    except KeyError:
        raise _no_job(str(since), runs) from None
    return lambda: changes.lines(marked=marked), lambda _: [_summary(changes), *changes.notes()]


def _summary(changes: Changes) -> str:
    counts, old = changes.counts, changes.old
    if counts[""]:
        told = f"new or changed: {number(counts[''], 'item')}"
    else:
        told = ", ".join(f"{counts[change]} {change}" for change in ("new", "changed", "gone"))
    since = f" since job {old.job} of {local(old.at)}" if old else ""
    return f"job {changes.new.job}: {told}{since}"


def _run(site: str, runs: list[Run], job: str | None) -> Run:
    if not runs:
        raise OrchError(f"{site}: nothing was scraped yet")
    found = next((run for run in runs if run.job == job), None) if job else runs[-1]
    if found is None:
        raise _no_job(str(job), runs)
    return found


def _no_job(job: str, runs: list[Run]) -> ConfigError:
    there = ", ".join(f"{run.job} ({local(run.at)})" for run in reversed(runs[-5:]))
    return ConfigError((f"no results of a job {job}; the last ones are of {there}",))


def _since(text: str | None) -> str | float | None:
    """A job's id as it is; a date, or so long ago, as a point in time."""
    if text is None or _JOB.fullmatch(text):
        return text
    with suppress(ValueError):
        return datetime.fromisoformat(text).timestamp()
    try:
        if text.isdecimal():
            raise ValueError  # noqa: TRY301  (of which unit?)
        return SYSTEM.wall() - duration.parse(text)
    except ValueError:
        problem = (
            f"--since {text!r}: give a date (2026-01-31), so long ago (7d, 12h), or a job's id"
        )
        raise ConfigError((problem,)) from None
