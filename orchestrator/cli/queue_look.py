"""`orch queue stats`, `list`, `show`: looking at a queue changes nothing and makes no file."""

from __future__ import annotations

import difflib
import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import queue_jobs as jobs
from orchestrator.cli import queue_tables as tables
from orchestrator.cli.console import emit_json, fail, out
from orchestrator.cli.queue_given import Given, state
from orchestrator.cli.queue_options import Json, OfKey, sharing
from orchestrator.cli.queue_place import opened
from orchestrator.cli.queue_watch import print_stats, watch
from orchestrator.queue.given import name

if TYPE_CHECKING:
    from orchestrator.queue.work import WorkQueue

#: A wrong id is compared with so many.
LOOKED_AT = 500
#: Jobs of one list: all of them are in memory at a time.
MOST = 10_000


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("stats")(stats)
    app.command("list")(list_jobs)
    app.command("show")(show)


@sharing()
def stats(
    json: Json = False,
    watching: Annotated[
        bool,
        typer.Option("--watch", "-w", help="Go on until Ctrl+C; with --json, a line a change."),
    ] = False,
) -> None:
    """Count the jobs by state and key. Exit code 3: there is no such queue."""
    place = Given().place()
    with opened(place) as work:
        if watching:
            watch(work, place, as_json=json)
        found = work.stats()
    if json:
        emit_json(tables.stats_as_json(found))
    else:
        print_stats(found, str(place))


@sharing()
def list_jobs(
    wanted: Annotated[
        str | None,
        typer.Option("--state", metavar="STATE", help="queued, in_progress, done, skipped, error."),
    ] = None,
    key: OfKey = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")] = 100,
    after: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those behind this job of the list.")
    ] = None,
    json: Json = False,
) -> None:
    """List some jobs; of one state: queued ones by when they are due, others newest first.

    The next ones are behind the last one shown: --after its ID. All of any number: orch queue export.
    """
    given = Given()
    chosen = given.of("--state", wanted, state)
    given.of("--key", key, name)
    given.of("--after", after, name)
    place = given.place()
    with opened(place) as work:
        try:
            found = work.jobs(state=chosen, key=key, limit=limit + (not json), after=after)
        except ValueError as error:
            fail(f"--after: {error}", 1, hint="begin anew without it; `orch queue export` has all")
    if json:
        emit_json([jobs.as_json(job, whole=False) for job in found])
    elif found:
        tables.print_rows(jobs.rows(found[:limit]))
        if len(found) > limit:
            last = shlex.quote(found[limit - 1].id)
            out.print(
                f"the first {limit}; --limit shows more, --after {last} the next", markup=False
            )
    elif after is not None:
        out.print("no more")
    else:
        out.print("no job" if chosen is None and key is None else "no such job")


@sharing()
def show(
    job_id: Annotated[str, typer.Argument(metavar="ID", help="`orch queue list` shows ids.")],
    json: Json = False,
) -> None:
    """Show all about one job: payload, result, attempts. Exit code 1: there is none of this id."""
    given = Given()
    given.of("", job_id, name)
    place = given.place()
    with opened(place) as work:
        job = work.store.job(job_id)
        if job is None:
            fail(f"no job {job_id!r} in {place}", 1, hint=close_to(work, job_id))
    if json:
        emit_json(jobs.as_json(job))
    else:
        out.print(jobs.facts(job), markup=False, soft_wrap=True)


def close_to(work: WorkQueue, job_id: str) -> str:
    """What may have been meant."""
    ids = [job.id for job in work.store.jobs(limit=LOOKED_AT)]
    close = difflib.get_close_matches(job_id, ids, n=3)
    return f"did you mean {' or '.join(close)}?" if close else "`orch queue list` shows ids"
